"""What nodes say of bad inputs: each mistake in ComfyUI's own executor, without a server."""

from pathlib import Path

import pytest

import latent_inversion
from harness import mistakes
from harness.inprocess import Executor
from harness.mistakes import MISTAKES, Mistake
from harness.mistakes.shop import Shop
from latent_inversion.nodes import node_list

pytestmark = pytest.mark.newest_only("the sentences are the nodes' own; some of each kind are made on every server")
EXTRAS = ("nodes_mask", "nodes_compositing", "nodes_primitive", "nodes_custom_sampler", "nodes_model_advanced")
PACK = Path(mistakes.__file__).resolve().parents[1] / "test_models"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    assert latent_inversion.__file__
    base = tmp_path_factory.mktemp("shop")
    return Shop.opened(Executor(base, extras=EXTRAS, packs=[PACK], nodes=node_list()))


@pytest.mark.parametrize("mistake", [one for one in MISTAKES if one.where == "at its node"], ids=str)
def test_a_mistake_gets_one_sentence_and_leaves_no_trace(shop: Shop, mistake: Mistake) -> None:
    shop.check(mistake)
