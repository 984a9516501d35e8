// What a node said of its last run stays on it: front ends of late 2026 take such words off all nodes when a run ends.
// ComfyUI's own prompt node says nothing by itself, but the toybox's text encoder does there.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

/** The node that an id of a run names: "4" or, within subgraphs, "12:4". */
function nodeOf(id) {
  const [first, ...inner] = String(id).split(":");
  return inner.reduce((node, one) => node?.subgraph?.getNodeById(one), app.graph.getNodeById(first));
}

app.registerExtension({
  name: "LatentInversion.Said",
  setup() {
    const said = new Map();
    api.addEventListener("progress_text", ({ detail: { nodeId, text } }) => {
      const node = nodeOf(nodeId);
      if (/^Inversion|^CLIPTextEncode$/.test(node?.comfyClass)) said.set(node, { nodeId, text });
    });
    api.addEventListener("execution_success", () => setTimeout(() => {
      for (const [node, words] of said)
        if (nodeOf(words.nodeId) === node) api.dispatchCustomEvent("progress_text", words);
        else said.delete(node);
    }));
  },
});
