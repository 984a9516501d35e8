// The template browser shows a pack's templates as the server finds them in its folder; these are numbered, from easy to hard.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const [, pack] = new URL(import.meta.url).pathname.match(/\/extensions\/([^/]+)\//);

app.registerExtension({
  name: "LatentInversion.Templates",
  init() {
    const listed = api.getWorkflowTemplates;
    api.getWorkflowTemplates = async (...given) => {
      const templates = await listed.apply(api, given);
      templates[decodeURIComponent(pack)]?.sort();
      return templates;
    };
  },
});
