// Boxes for prompts keep their label when they are filled: nodes that are drawn on the canvas show it only while a box is empty.

import { app } from "../../scripts/app.js";

/** Whether a node, or the subgraph that it stands for, comes from this pack. */
const isOurs = (node) => node.comfyClass?.startsWith("Inversion") || node.properties?.cnr_id === "latent-inversion";

function labelled(node) {
  return (node.widgets ?? []).flatMap((widget) => {
    const box = widget.element ?? widget.inputEl;
    if (widget.hidden || !widget.value || box?.tagName !== "TEXTAREA" && widget.type !== "customtext") return [];
    const input = node.inputs?.find((one) => one.widget?.name === widget.name);
    return [[input?.label ?? widget.label ?? widget.name, widget.y ?? widget.last_y]];
  });
}

app.registerExtension({
  name: "LatentInversion.Labels",
  setup() {
    const { canvas } = app;
    const drawn = canvas.onDrawForeground;
    canvas.onDrawForeground = function (context, ...more) {
      drawn?.call(this, context, ...more);
      if (window.LiteGraph.vueNodesMode || this.low_quality) return;
      context.save();
      context.font = "11px sans-serif";
      context.fillStyle = "#aaa";
      for (const node of this.visible_nodes ?? [])
        if (isOurs(node) && !node.flags?.collapsed)
          for (const [label, y] of labelled(node)) context.fillText(label, node.pos[0] + 12, node.pos[1] + y + 8);
      context.restore();
    };
  },
});
