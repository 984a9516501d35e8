"""Scenes of the toybox world: what a caption names, what it leaves unsaid, and where scenes come from."""

import dataclasses
import random
from dataclasses import dataclass

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "animal": ("cat", "dog", "rabbit", "bear"),
    "fur": ("white", "black", "brown", "gray", "ginger"),
    "accessory": ("none", "glasses", "hat"),
    "accessory_color": ("red", "blue", "green", "yellow"),
    "shirt": ("red", "blue", "green", "yellow", "purple"),
    "pattern": ("plain", "striped", "dotted"),
    "place": ("meadow", "desert", "snow"),
    "time": ("day", "sunset", "night"),
    "style": ("photo", "painting", "sketch"),
}

# A training scene never shows any of these together; held-out scenes do.
HELD_OUT: tuple[dict[str, str], ...] = (
    {"animal": "rabbit", "fur": "ginger"},
    {"animal": "bear", "accessory": "hat"},
    {"shirt": "purple", "pattern": "dotted"},
)

HELD_OUT_SEEDS = 2**40  # training scenes use seeds below, held-out scenes seeds from here on
_NEXT_TRY = 2**32  # added to a training seed whose scene is held out


@dataclass(frozen=True)
class Scene:
    """One portrait: attributes that a caption names, then continuous nuisances that it never names.

    Lengths are in half pictures (the picture spans [-1, 1], y points down), angles in radians.
    """

    animal: str
    fur: str
    accessory: str
    accessory_color: str
    shirt: str
    pattern: str
    place: str
    time: str
    style: str
    cx: float  # centre of the head
    cy: float
    size: float
    tilt: float  # of the head
    ear: float  # relative size of the ears
    eye: float  # relative size of the eyes
    light: float  # brightness of the whole scene
    sun: float  # horizontal place of sun or moon
    hills: tuple[float, float]  # phase of the far and the near hills
    plants: tuple[float, float]  # horizontal place of the left and the right plant
    fur_tint: tuple[float, float, float]
    shirt_tint: tuple[float, float, float]
    fold: float  # phase of stripes and dots
    brush: tuple[float, float, float]  # phases of the brush strokes

    def __post_init__(self):
        for name, values in ATTRIBUTES.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not in this world; choose one of {', '.join(values)}"
                )

    @classmethod
    def from_seed(cls, seed: int) -> "Scene":
        """Return the scene of a seed: the same on every machine, every attribute value equally likely."""
        rng = random.Random(seed)
        attributes = {name: rng.choice(values) for name, values in ATTRIBUTES.items()}

        def several(count, low, high):
            return tuple(rng.uniform(low, high) for _ in range(count))

        return cls(
            **attributes,
            cx=rng.uniform(-0.2, 0.2),
            cy=rng.uniform(-0.18, 0.0),
            size=rng.uniform(0.85, 1.05),
            tilt=rng.uniform(-0.2, 0.2),
            ear=rng.uniform(0.88, 1.12),
            eye=rng.uniform(0.85, 1.15),
            light=rng.uniform(0.9, 1.08),
            sun=rng.uniform(-0.85, 0.85),
            hills=several(2, 0.0, 6.28),
            plants=(rng.uniform(-0.95, -0.65), rng.uniform(0.65, 0.95)),
            fur_tint=several(3, -0.04, 0.04),
            shirt_tint=several(3, -0.04, 0.04),
            fold=rng.uniform(0.0, 1.0),
            brush=several(3, 0.0, 6.28),
        )

    def replace(self, **attributes: str) -> "Scene":
        """Return this scene with some attributes changed and every nuisance kept: the true edit.

        Raises:
            ValueError: an attribute or a value that the world does not have.
        """
        unknown = sorted(set(attributes) - set(ATTRIBUTES))
        if unknown:
            raise ValueError(f"a scene has no attribute {', '.join(unknown)}; it has {', '.join(ATTRIBUTES)}")
        return dataclasses.replace(self, **attributes)

    def wearing(self, other: "Scene") -> "Scene":
        """Return this scene in the shirt of another scene: the truth of a virtual try-on."""
        return dataclasses.replace(
            self, shirt=other.shirt, pattern=other.pattern, shirt_tint=other.shirt_tint, fold=other.fold
        )

    def attributes(self) -> dict[str, str]:
        """Return the attributes by name, in the order of `ATTRIBUTES`."""
        return {name: getattr(self, name) for name in ATTRIBUTES}


def is_held_out(scene: Scene) -> bool:
    """Say whether the scene shows a combination of attributes that training never shows."""
    return any(all(getattr(scene, name) == value for name, value in pair.items()) for pair in HELD_OUT)


def training_scene(seed: int) -> Scene:
    """Return the training scene of a seed in [0, 2**32); it never shows a held-out combination."""
    if not 0 <= seed < _NEXT_TRY:
        raise ValueError(f"training seeds lie in [0, 2**32), got {seed}")
    scene = Scene.from_seed(seed)
    while is_held_out(scene):
        seed += _NEXT_TRY
        scene = Scene.from_seed(seed)
    return scene


def held_out_scenes(count: int, *, first: int = 0) -> list[Scene]:
    """Return scenes that training never saw; about one in six shows a held-out combination."""
    return [Scene.from_seed(HELD_OUT_SEEDS + first + index) for index in range(count)]
