// Before / After in the browser: both pictures over each other, a line to drag across them, and what came out of the
// edit in a sentence. It works in both of ComfyUI's node renderers, with a pointer and with keys.

import { t } from "./messages.js";
import { addressOf, element, registerView } from "./view.js";

const MIDDLE = 50;
const STEPS = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 };
const STYLE = `
.li-compare { display: flex; flex-direction: column; gap: 6px; height: 100%; min-height: 0; box-sizing: border-box;
  padding: 2px 4px 4px; color: var(--input-text, #ddd); font: 12px/1.4 sans-serif; }
.li-compare .li-frame { position: relative; flex: 1 1 0; min-height: 200px; overflow: hidden; }
.li-compare .li-stage { position: absolute; overflow: hidden; cursor: ew-resize; touch-action: none; user-select: none; }
.li-compare img { position: absolute; inset: 0; width: 100%; height: 100%; }
.li-compare .li-line { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 3px #000; outline: none; }
.li-compare .li-line::after { content: "\\2194"; position: absolute; top: 50%; left: 50%; width: 24px; height: 24px;
  margin: -12px; border-radius: 50%; background: #fff; color: #222; text-align: center; line-height: 24px;
  box-shadow: 0 0 3px #000; }
.li-compare .li-line:focus-visible::after { box-shadow: 0 0 0 3px #b8860b; }
.li-compare .li-label { position: absolute; top: 6px; padding: 0 7px; border-radius: 8px; background: #000a; color: #fff;
  pointer-events: none; }
.li-compare .li-label:first-of-type { left: 6px; }
.li-compare .li-label:last-of-type { right: 6px; }
.li-compare .li-steps { display: flex; gap: 8px; justify-content: center; align-items: center; flex: none; }
.li-compare button { font: inherit; color: inherit; cursor: pointer; border-radius: 10px; padding: 1px 9px;
  background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e); }
.li-compare button:disabled { opacity: 0.4; cursor: default; }
.li-compare button:focus-visible { border-color: var(--input-text, #ddd); outline: none; }
.li-compare .li-said { flex: none; min-height: 34px; max-height: 30%; overflow-y: auto; }
.li-compare [hidden] { display: none; }
`;

function between(low, value, high) {
  return Math.min(high, Math.max(low, value));
}

class Comparison {
  constructor() {
    this.pairs = [];
    this.number = 0;
    this.root = element("div", "li-compare");
    this.frame = element("div", "li-frame");
    this.stage = element("div", "li-stage", { hidden: true });
    this.after = element("img", "li-after", { alt: t("after"), draggable: false });
    this.before = element("img", "li-before", { alt: t("before"), draggable: false });
    this.line = element("div", "li-line", { tabIndex: 0, title: t("compareHint") });
    this.steps = element("div", "li-steps", { hidden: true });
    this.said = element("div", "li-said", { textContent: t("runToCompare") });
    this.said.setAttribute("aria-live", "polite");
    this.describe();
    const labels = [t("before"), t("after")].map((text) => element("span", "li-label", { textContent: text }));
    this.stage.append(this.after, this.before, this.line, ...labels);
    this.frame.append(this.stage);
    this.root.append(this.frame, this.steps, this.said);
    this.listen();
    this.moveTo(MIDDLE);
  }

  describe() {
    const facts = { role: "slider", "aria-label": t("divider"), "aria-valuemin": 0, "aria-valuemax": 100 };
    for (const [name, value] of Object.entries(facts)) this.line.setAttribute(name, value);
    const button = (sign, title, by) => {
      const made = element("button", "", { type: "button", textContent: sign, title });
      made.setAttribute("aria-label", title);
      made.addEventListener("click", () => this.showPair(this.number + by));
      return made;
    };
    this.count = element("span", "li-count");
    this.steps.append(button("\u2039", t("previous"), -1), this.count, button("\u203a", t("next"), 1));
  }

  listen() {
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.stage.setPointerCapture(event.pointerId);
      this.line.focus({ preventScroll: true });
      this.follow(event);
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (this.stage.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.stage.addEventListener("dblclick", (event) => {
      event.stopPropagation();
      this.moveTo(MIDDLE);
    });
    this.line.addEventListener("keydown", (event) => {
      const step = STEPS[event.key];
      if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.moveTo(this.place + step * (event.shiftKey ? 5 : 1));
    });
    this.before.addEventListener("load", () => this.fit());
    new ResizeObserver(() => this.fit()).observe(this.frame);
  }

  /** Move the line to the pointer; the canvas below does not see it, else it would drag the node. */
  follow(event) {
    event.preventDefault();
    event.stopPropagation();
    const { left, width } = this.stage.getBoundingClientRect();
    if (width) this.moveTo((100 * (event.clientX - left)) / width);
  }

  moveTo(place) {
    this.place = between(0, place, 100);
    this.before.style.clipPath = `inset(0 ${100 - this.place}% 0 0)`;
    this.line.style.left = `${this.place}%`;
    this.line.setAttribute("aria-valuenow", Math.round(this.place));
  }

  /** Give the stage the largest place in the frame that has the picture's shape. */
  fit() {
    const { naturalWidth: width, naturalHeight: height } = this.before;
    const { clientWidth: wide, clientHeight: high } = this.frame;
    if (!width || !wide || !high) return;
    const scale = Math.min(wide / width, high / height);
    const [w, h] = [scale * width, scale * height];
    const box = { left: (wide - w) / 2, top: (high - h) / 2, width: w, height: h };
    for (const [side, value] of Object.entries(box)) this.stage.style[side] = `${value}px`;
  }

  show({ before, after, verdicts, names = [] }) {
    this.pairs = before.map((file, number) => {
      return { before: file, after: after[number], verdict: verdicts[number], name: names[number] };
    });
    this.stage.hidden = false;
    this.steps.hidden = this.pairs.length < 2;
    this.showPair(between(0, this.number, this.pairs.length - 1));
  }

  showPair(number) {
    const pair = this.pairs[number];
    if (!pair) return;
    this.number = number;
    this.before.src = addressOf(pair.before);
    this.after.src = addressOf(pair.after);
    this.said.textContent = t(pair.verdict.id, pair.verdict.values);
    const place = t("pairOf", { number: number + 1, count: this.pairs.length });
    this.count.textContent = pair.name ? `${place}: ${pair.name}` : place;
    const [previous, next] = this.steps.querySelectorAll("button");
    previous.disabled = number === 0;
    next.disabled = number === this.pairs.length - 1;
  }

  get empty() {
    return !this.pairs.length;
  }
}

registerView({
  name: "LatentInversion.BeforeAfter",
  node: "InversionBeforeAfter",
  key: "before_after",
  height: 320,
  css: STYLE,
  make: () => new Comparison(),
});
