// Attention View in the browser: the picture, and below it its words. Pointing at a word shows its map over the
// picture, choosing words writes them into the node's `mask_words`. It works in both of ComfyUI's node renderers.

import { t } from "./messages.js";
import { addressOf, element, registerView } from "./view.js";

const STYLE = `
.li-words { display: flex; flex-direction: column; gap: 6px; height: 100%; min-height: 0; box-sizing: border-box;
  padding: 2px 4px 4px; color: var(--input-text, #ddd); font: 12px/1.4 sans-serif; }
.li-words .li-picture { position: relative; flex: 1 1 0; min-height: 200px; }
.li-words img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.li-words img.li-map { opacity: 0; }
.li-words .li-on img.li-below { filter: grayscale(1); }
.li-words .li-on img.li-map { opacity: 0.65; }
.li-words .li-chips { display: flex; flex-wrap: wrap; gap: 4px; max-height: 40%; overflow-y: auto; flex: none; }
.li-words button { font: inherit; color: inherit; cursor: pointer; border-radius: 10px; padding: 1px 9px;
  background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e); }
.li-words button:hover, .li-words button:focus-visible { border-color: var(--input-text, #ddd); outline: none; }
.li-words button[aria-pressed="true"] { background: #b8860b; border-color: #b8860b; color: #fff; }
.li-words .li-hint { flex: none; min-height: 17px; opacity: 0.75; }
`;

function listed(text) {
  return text.split(/[,，、،\n]/).map((word) => word.trim()).filter(Boolean);
}

function sameWord(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

class WordView {
  constructor(node) {
    this.node = node;
    this.root = element("div", "li-words");
    this.picture = element("div", "li-picture");
    this.below = element("img", "li-below", { alt: t("thePicture"), draggable: false, hidden: true });
    this.map = element("img", "li-map", { alt: "", draggable: false, hidden: true });
    this.chips = element("div", "li-chips");
    this.chips.setAttribute("role", "group");
    this.chips.setAttribute("aria-label", t("wordsOfPrompt"));
    this.hint = element("div", "li-hint", { textContent: t("runToSeeWords") });
    this.hint.setAttribute("aria-live", "polite");
    this.picture.append(this.below, this.map);
    this.root.append(this.picture, this.chips, this.hint);
  }

  get chosen() {
    return this.node.widgets?.find((widget) => widget.name === "mask_words");
  }

  show({ picture, words }) {
    this.leave();
    this.below.src = addressOf(picture);
    this.below.hidden = false;
    this.chips.replaceChildren(...words.map((entry) => this.chip(entry)));
    this.mark();
  }

  get empty() {
    return !this.chips.children.length;
  }

  chip({ word, label, map }) {
    const chip = element("button", "li-chip", { type: "button", textContent: word, title: label });
    const address = addressOf(map);
    new Image().src = address; // so that it is there when it is asked for
    for (const event of ["pointerenter", "focus"]) chip.addEventListener(event, () => this.enter(label, address));
    for (const event of ["pointerleave", "blur"]) chip.addEventListener(event, () => this.leave());
    chip.addEventListener("click", () => this.toggle(word));
    return chip;
  }

  enter(label, address) {
    this.map.src = address;
    this.map.alt = t("attentionOf", { word: label });
    this.map.hidden = false;
    this.picture.classList.add("li-on");
    this.hint.textContent = t("brightWhere", { word: label });
  }

  leave() {
    this.picture.classList.remove("li-on");
    const words = listed(this.chosen?.value ?? "");
    this.hint.textContent = words.length ? t("chosenMask", { words: words.join(", ") }) : t("pointAtWord");
  }

  toggle(word) {
    if (!this.chosen) return;
    const before = listed(this.chosen.value);
    const after = before.filter((one) => !sameWord(one, word));
    if (after.length === before.length) after.push(word);
    this.chosen.value = after.join(", ");
    this.chosen.callback?.(this.chosen.value);
    this.node.setDirtyCanvas?.(true, true);
    this.mark();
  }

  mark() {
    const words = listed(this.chosen?.value ?? "");
    for (const chip of this.chips.children)
      chip.setAttribute("aria-pressed", String(words.some((word) => sameWord(word, chip.textContent))));
  }
}

registerView({
  name: "LatentInversion.AttentionView",
  node: "InversionAttentionView",
  key: "attention_view",
  height: 380,
  css: STYLE,
  make: (node) => new WordView(node),
});
