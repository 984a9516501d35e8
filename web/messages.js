// What the pack's scripts say, in the user's language: `t(id, values)`. Translations come from locales/<language>/main.json
// of the pack, under latentInversion.messages, which ComfyUI serves at /i18n; what is missing there is said in English.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const ENGLISH = {
  after: "after",
  attentionOf: "where '{word}' draws attention",
  before: "before",
  brightWhere: "'{word}': bright where it draws attention",
  chosenMask: "the mask: {words}",
  compareHint: "Drag the line, or use the arrow keys; double click puts it back in the middle.",
  divider: "line between before and after",
  filesBring: "bring in a trajectory file",
  filesFailed: "{name} was not brought in: {reason}",
  filesFilter: "find by name, prompt or model",
  filesForeign: "it is no whole trajectory file. Save Trajectory writes such files; send for this one again.",
  filesListing: "The saved trajectories could not be listed: {reason}",
  filesNone: "No trajectory is saved here yet. Save Trajectory writes them; drop such a file on the canvas to bring it in.",
  filesNotice: "Trajectory files",
  filesNullText: "with null text",
  filesOpenWorkflow: "open its workflow",
  filesPictures: "{count} pictures",
  filesSteps: "{count} steps",
  filesTooLarge:
    "it has {size} MB, and this ComfyUI takes {limit} MB. Copy it into ComfyUI's input folder, or start ComfyUI with " +
    "--max-upload-size {wanted}.",
  next: "next pictures",
  pairOf: "{number} of {count}",
  pointAtWord: "Point at a word; choose words for the mask.",
  previous: "previous pictures",
  runToCompare: "Run the workflow to compare the pictures.",
  runToSeeWords: "Run the workflow to see the words.",
  thePicture: "the picture",
  verdictEdited: "{changed} % of the picture changed; {likeness} % of its outlines are kept.",
  verdictEditedFlat: "{changed} % of the picture changed; it has no outlines by which to tell what is kept.",
  verdictEditedFlatMask: "{changed} % of the mask changed; outside it are no outlines by which to tell what is kept.",
  verdictEditedMask: "{changed} % of the mask changed; outside it {likeness} % of the outlines are kept.",
  verdictLost:
    "Nothing like the picture came out ({likeness} % of its outlines are left). Turn strength down, take the preset " +
    "'keep the shape', lengthen the cross and self windows in Attention Edit, or change fewer words of the prompt.",
  verdictLostMask:
    "Outside the mask nothing like the picture came out ({likeness} % of its outlines are left). Turn strength down, " +
    "give the mask to Inversion Edit Sampler too, or put the original back outside it in Inversion Decode.",
  verdictSame:
    "Nearly the same picture came out ({changed} % of it changed). Turn strength up, shorten the cross and self " +
    "windows in Attention Edit, or name what should change in the target prompt.",
  verdictSameLossy:
    "Nearly what the model makes of the unedited picture came out ({changed} % differs from that), and that itself " +
    "differs visibly from the picture in {missed} %. Turn strength up for the edit; connect Inversion Report for the " +
    "rest.",
  verdictSameMask:
    "Nearly the same picture came out ({changed} % of the mask changed). Turn strength up, shorten the cross and self " +
    "windows in Attention Edit, or name what should change in the target prompt.",
  verdictUnheld:
    "The model cannot hold this picture: the reconstruction is nothing like it either ({likeness} % of its outlines " +
    "are left in the edit). Check that checkpoint and VAE belong together and are made for such pictures, and invert " +
    "at guidance 1 in more steps. The toybox knows its own cartoons only.",
  wordsOfPrompt: "words of the prompt",
};

let translations = {};

/** Resolves once the translations are there, or cannot be had. */
export const messagesReady = api
  .fetchApi("/i18n")
  .then((answer) => (answer.ok ? answer.json() : {}))
  .then((found) => void (translations = found ?? {}))
  .catch(() => {});

/** The code of the language that the user chose, such as "fr" or "zh-TW". */
export function language() {
  try {
    const chosen = app.extensionManager?.setting?.get("Comfy.Locale") ?? app.ui?.settings?.getSettingValue("Comfy.Locale");
    return chosen || navigator.language;
  } catch {
    return navigator.language;
  }
}

/** The message of an id in the user's language, its {names} replaced by values. */
export function t(id, values = {}) {
  const chosen = language();
  const texts = [chosen, chosen.split("-")[0], "en"].map((code) => translations[code]?.latentInversion?.messages?.[id]);
  const text = texts.find(Boolean) ?? ENGLISH[id] ?? id;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
