// The saved trajectories below Load Trajectory: a card for each with what its file tells; choosing a card chooses the file.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { t } from "./messages.js";
import { element } from "./view.js";

const STYLE = `
.li-files { display: flex; flex-direction: column; gap: 6px; height: 100%; min-height: 0; box-sizing: border-box;
  padding: 2px 4px 4px; color: var(--input-text, #ddd); font: 12px/1.4 sans-serif; }
.li-files input { font: inherit; color: inherit; flex: none; padding: 3px 8px; border-radius: 6px;
  background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e); outline: none; }
.li-files input:focus-visible { border-color: var(--input-text, #ddd); }
.li-files .li-list { display: flex; flex-direction: column; gap: 4px; flex: 1 1 0; min-height: 120px; overflow-y: auto; }
.li-files .li-card { display: flex; gap: 8px; flex: none; padding: 5px; border-radius: 8px; cursor: pointer; text-align: left;
  font: inherit; color: inherit; background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e); }
.li-files .li-card:hover, .li-files .li-card:focus-visible { border-color: var(--input-text, #ddd); outline: none; }
.li-files .li-card[aria-pressed="true"] { border-color: #d9a520; box-shadow: inset 0 0 0 1px #d9a520; }
.li-files .li-thumb { width: 64px; height: 64px; flex: none; border-radius: 5px; object-fit: cover;
  background: repeating-conic-gradient(#8883 0 25%, transparent 0 50%) 0 0 / 16px 16px; }
.li-files .li-told { display: flex; flex-direction: column; min-width: 0; flex: 1; }
.li-files .li-told > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.li-files .li-name { font-weight: 600; }
.li-files .li-facts { opacity: 0.75; }
.li-files .li-prompt { white-space: normal; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
.li-files .li-error { color: var(--error-text, #ff6b6b); white-space: normal; }
.li-files .li-open { align-self: flex-start; color: inherit; opacity: 0.75; text-decoration: underline; cursor: pointer; }
.li-files .li-open:hover { opacity: 1; }
.li-files .li-none { opacity: 0.75; padding: 8px 4px; }
`;

const IS_FILE = /\.safetensors/;

function route(name, query) {
  return `/latent_inversion/${name}?${new URLSearchParams(query)}`;
}

/** What the server answers as JSON. Throws an Error with its sentence if it refuses. */
export async function asked(name, query = {}) {
  const answer = await api.fetchApi(route(name, query));
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `${answer.status} ${answer.statusText}`);
  return body;
}

/** A notice in the corner of the window. */
export function notice(severity, detail) {
  app.extensionManager?.toast?.add({ severity, summary: t("filesNotice"), detail, life: severity === "error" ? 12000 : 4000 });
}

export class Cards {
  constructor(node) {
    this.node = node;
    this.found = [];
    this.root = element("div", "li-files");
    this.filter = element("input", "li-filter", { type: "search", placeholder: t("filesFilter"), hidden: true });
    this.filter.setAttribute("aria-label", t("filesFilter"));
    this.filter.addEventListener("input", () => this.draw());
    this.list = element("div", "li-list");
    this.list.setAttribute("role", "group");
    this.root.append(this.filter, this.list);
    // Scrolling the list is not zooming the canvas; dropping a file here is dropping it on the node.
    this.list.addEventListener("wheel", (event) => event.stopPropagation(), { passive: true });
    this.root.addEventListener("dragover", (event) => event.preventDefault());
  }

  get file() {
    return this.node.widgets?.find((widget) => widget.name === "file");
  }

  choose(file) {
    const widget = this.file;
    if (!widget) return;
    const values = widget.options?.values;
    if (Array.isArray(values) && !values.includes(file)) widget.options.values = [file, ...values];
    widget.value = file;
    widget.callback?.(file);
    this.node.setDirtyCanvas?.(true, true);
    this.mark();
  }

  show(found) {
    this.found = found;
    const widget = this.file;
    const files = found.map((card) => card.file);
    if (widget && Array.isArray(widget.options?.values) && files.length) {
      widget.options.values = [...new Set([...files, ...widget.options.values])].filter((file) => IS_FILE.test(file));
      if (!IS_FILE.test(widget.value)) this.choose(files[0]); // it said that there are none
    }
    this.filter.hidden = found.length < 6;
    this.draw();
  }

  draw() {
    const words = this.filter.hidden ? [] : this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const told = (card) => [card.file, card.prompt, card.model, card.method].join(" ").toLowerCase();
    const some = this.found.filter((card) => words.every((word) => told(card).includes(word)));
    const none = element("div", "li-none", { textContent: t("filesNone") });
    this.list.replaceChildren(...(some.length ? some.map((card) => this.card(card)) : [none]));
    this.mark();
  }

  card(card) {
    const button = element("button", "li-card", { type: "button", title: card.file });
    button.dataset.file = card.file;
    const address = card.thumbnail && api.apiURL(route("thumbnail", { file: card.file, changed: card.changed }));
    const picture = address
      ? element("img", "li-thumb", { loading: "lazy", alt: "", draggable: false, src: address })
      : element("div", "li-thumb");
    const told = element("div", "li-told");
    const line = (className, textContent) => textContent && told.append(element("div", className, { textContent }));
    line("li-name", card.name.replace(/_?\.trajectory( \(\d+\))?\.safetensors$/, "$1"));
    line("li-error", card.error);
    if (!card.error) {
      line("li-facts", factsOf(card).join(" · "));
      line("li-facts", [card.model, ...(card.loras ?? [])].filter(Boolean).join(" + "));
      line("li-prompt", card.prompt);
    }
    if (card.workflow) told.append(this.opener(card));
    button.append(picture, told);
    button.addEventListener("click", () => this.choose(card.file));
    return button;
  }

  opener(card) {
    const link = element("span", "li-open", { textContent: t("filesOpenWorkflow"), hidden: true });
    link.addEventListener("click", async (event) => {
      event.stopPropagation();
      try {
        await app.loadGraphData(await asked("workflow", { file: card.file }), true, true, card.name);
      } catch (error) {
        notice("error", error.message);
      }
    });
    return link;
  }

  mark() {
    for (const card of this.list.querySelectorAll(".li-card")) {
      const chosen = card.dataset.file === this.file?.value;
      card.setAttribute("aria-pressed", String(chosen));
      for (const link of card.querySelectorAll(".li-open")) link.hidden = !chosen;
      if (chosen) this.list.scrollTop = Math.max(0, card.offsetTop - this.list.offsetTop - 40);
    }
  }
}

function factsOf(card) {
  const size = card.size?.length ? `${card.size[0]} × ${card.size[1]}` : "";
  const count = card.pictures > 1 ? t("filesPictures", { count: card.pictures }) : "";
  const steps = t("filesSteps", { count: card.steps });
  return [size, count, steps, card.method, card.null_text ? t("filesNullText") : ""].filter(Boolean);
}

app.registerExtension({
  name: "LatentInversion.TrajectoryCards",
  setup() {
    document.head.append(element("style", "", { textContent: STYLE }));
  },
});
