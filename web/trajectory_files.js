// Trajectory files in the browser: dropped on the canvas they become a Load Trajectory, dropped on one they become its
// file; a button brings them in too, and the node shows a card for each that is there.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { Cards, asked, notice } from "./trajectory_cards.js";
import { messagesReady, t } from "./messages.js";

const NODE = "InversionLoadTrajectory";
const NAME = /\.trajectory( \(\d+\))?\.safetensors$/i;
const MEGABYTE = 1024 * 1024;

function trajectoriesOf(event) {
  return [...(event.dataTransfer?.files ?? [])].filter((file) => NAME.test(file.name));
}

function shownGraph() {
  return app.canvas?.graph ?? app.graph;
}

function loaders() {
  return (shownGraph()?._nodes ?? []).filter((node) => node.trajectoryCards);
}

/** Throws an Error unless the file's head says that it is a whole trajectory, so that nothing else is sent. */
async function check(file) {
  try {
    const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
    const { __metadata__: told, ...tensors } = JSON.parse(await file.slice(8, 8 + Math.min(length, 8e6)).text());
    const end = Math.max(...Object.values(tensors).map((tensor) => tensor.data_offsets[1]));
    if (told.format === "latent-inversion trajectory" && 8 + length + end === file.size) return;
  } catch {
    // said below
  }
  throw new Error(t("filesForeign"));
}

/** Puts a file into ComfyUI's input folder; its name for Load Trajectory. Throws an Error that says why it was refused. */
async function sent(file) {
  const limit = api.getServerFeature?.("max_upload_size");
  const sizes = (bytes) => ({ limit: Math.floor(bytes / MEGABYTE), wanted: Math.ceil((1.1 * file.size) / MEGABYTE) + 1 });
  const tooLarge = (bytes) =>
    new Error(t("filesTooLarge", { size: Math.ceil(file.size / MEGABYTE), ...sizes(bytes) }));
  if (limit && file.size > limit) throw tooLarge(limit);
  await check(file);
  const body = new FormData();
  body.append("image", file, file.name);
  body.append("type", "input");
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (answer.status === 413) throw tooLarge(limit ?? 100 * MEGABYTE);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const { name, subfolder } = await answer.json();
  const brought = `${subfolder ? `${subfolder}/` : ""}${name} [input]`;
  const [card] = (await asked("trajectories", { file: brought })).trajectories;
  if (card.error) throw new Error(card.error);
  return brought;
}

/** Brings files in, the first for `node` if there is one, each other for a new node at `place` on the canvas. */
async function bring(files, node, place) {
  const offset = [0, 0];
  for (const file of files) {
    try {
      const brought = await sent(file);
      await refresh();
      const loader = node ?? made([place[0] + offset[0], place[1] + offset[1]]);
      loader.trajectoryCards.choose(brought);
      node = undefined;
      offset[0] += loader.size[0] + 30;
    } catch (error) {
      notice("error", t("filesFailed", { name: file.name, reason: error.message }));
    }
  }
}

function made(place) {
  const node = LiteGraph.createNode(NODE);
  node.pos = place;
  shownGraph().add(node);
  app.canvas?.selectNode?.(node, false);
  node.trajectoryCards.show(latest);
  return node;
}

let latest = [];

/** Asks the server which files there are, and shows them in every Load Trajectory. */
async function refresh(nodes = loaders()) {
  try {
    latest = (await asked("trajectories")).trajectories;
    for (const node of nodes) node.trajectoryCards.show(latest);
  } catch (error) {
    notice("error", t("filesListing", { reason: error.message }));
  }
}

function placeOf(event) {
  const { ds, canvas } = app.canvas;
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / ds.scale - ds.offset[0], (event.clientY - box.top) / ds.scale - ds.offset[1]];
}

function loaderAt([x, y]) {
  const title = LiteGraph.NODE_TITLE_HEIGHT ?? 30;
  const inside = ({ pos, size }) => x >= pos[0] && x <= pos[0] + size[0] && y >= pos[1] - title && y <= pos[1] + size[1];
  return loaders().findLast((node) => inside(node));
}

function dropped(event) {
  const files = trajectoriesOf(event);
  if (!files.length || event.target?.closest?.(".p-dialog, input, textarea")) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // ComfyUI would open the workflow that is in the file
  app.dragOverNode = null;
  app.canvas?.setDirty?.(true, true);
  const place = placeOf(event);
  bring(files, loaderAt(place), place);
}

function pick(node) {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: ".safetensors", className: "li-pick" });
  input.addEventListener("change", () => bring([...input.files], node, [node.pos[0] + node.size[0] + 30, node.pos[1]]));
  input.click();
}

function attach(node) {
  const cards = new Cards(node);
  node.trajectoryCards = cards;
  const button = node.addWidget("button", "bring", null, () => pick(node), { serialize: false });
  button.label = t("filesBring");
  button.serialize = false;
  const widget = node.addDOMWidget("trajectory_cards", "trajectory_cards", cards.root, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => 260,
  });
  widget.serialize = false;
  const chosen = cards.file?.callback;
  if (cards.file)
    cards.file.callback = function () {
      const result = chosen?.apply(this, arguments);
      cards.mark();
      return result;
    };
  node.onDragOver = (event) => [...(event?.dataTransfer?.items ?? [])].some((item) => item.kind === "file");
  if (node.size[0] < 340) node.setSize?.([340, Math.max(node.size[1], 420)]);
  messagesReady.then(() => (button.label = t("filesBring")));
  refresh([node]);
}

app.registerExtension({
  name: "LatentInversion.TrajectoryFiles",
  setup() {
    window.addEventListener("drop", dropped, { capture: true });
    api.addEventListener("execution_success", () => loaders().length && refresh());
  },
  refreshComboInNodes() {
    if (loaders().length) refresh();
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) attach(node);
  },
  loadedGraphNode(node) {
    node.trajectoryCards?.mark();
  },
});
