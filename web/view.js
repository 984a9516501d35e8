// What the pack's views below nodes share: elements, addresses of files, and a view that shows what each run gives.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { messagesReady } from "./messages.js";

export function element(tag, className, properties = {}) {
  return Object.assign(document.createElement(tag), { className, ...properties });
}

/** Where ComfyUI serves a file that a node's output names. */
export function addressOf(file) {
  return api.apiURL(`/view?${new URLSearchParams(file)}`);
}

/**
 * Registers an extension that gives every node of a class the view that `make` returns for it, at least `height` high.
 * A view has its `root` element, `show(what)`, and `empty`; it is shown the first of what a run gives under `key`.
 */
export function registerView({ name, node: kind, key, height, css, make }) {
  const given = (node) => app.nodeOutputs?.[node.id]?.[key]?.[0];
  const restore = (node) => node.latentInversionView.empty && given(node) && node.latentInversionView.show(given(node));

  function attach(node) {
    const view = make(node);
    node.latentInversionView = view;
    node.addDOMWidget(key, key, view.root, { serialize: false, hideOnZoom: false, getMinHeight: () => height });
    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      if (!output?.[key]?.length) return;
      view.show(output[key][0]);
      if (!view.root.isConnected) return; // a renderer without such widgets: ComfyUI's own pictures stay
      for (const shown of [output, app.nodeOutputs?.[node.id]]) if (shown) shown.images = [];
    };
  }

  app.registerExtension({
    name,
    async setup() {
      document.head.append(element("style", "", { textContent: css }));
      await messagesReady;
    },
    nodeCreated(node) {
      if (node.comfyClass === kind) attach(node);
    },
    loadedGraphNode(node) {
      // Outputs of a workflow that was left and is opened again come back some time after its nodes.
      if (node.comfyClass === kind) for (const wait of [0, 300, 1500]) setTimeout(() => restore(node), wait);
    },
  });
}
