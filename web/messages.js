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
  compareHint: "Drag the line, or use the arrow keys. Double-click to return the line to the middle.",
  divider: "line between before and after",
  filesBring: "import a trajectory file",
  filesFailed: "{name} was not imported: {reason}",
  filesFilter: "find by name, prompt or model",
  filesForeign: "this is not a complete trajectory file. Save or download it again.",
  filesListing: "The saved trajectories could not be listed: {reason}",
  filesNone: "No trajectory is saved here yet. Save one with Save Trajectory, or drop a trajectory file on the canvas.",
  filesNotice: "Trajectory files",
  filesNullText: "with null text",
  filesOpenWorkflow: "open the workflow",
  filesPictures: "{count} images",
  filesSteps: "{count} steps",
  filesTooLarge:
    "the file has {size} MB, but this ComfyUI accepts up to {limit} MB. Copy the file into ComfyUI's input folder, or " +
    "start ComfyUI with --max-upload-size {wanted}.",
  next: "next images",
  pairOf: "{number} of {count}",
  pointAtWord: "Point at a word; choose words for the mask.",
  previous: "previous images",
  runToCompare: "Run the workflow to compare the images.",
  runToSeeWords: "Run the workflow to see the words.",
  thePicture: "the image",
  verdictEdited: "{changed} % of the image changed; {likeness} % of its outlines are kept.",
  verdictEditedFlat: "{changed} % of the image changed; the image has no outlines that could show what is kept.",
  verdictEditedFlatMask:
    "{changed} % of the mask changed; outside the mask there are no outlines that could show what is kept.",
  verdictEditedMask: "{changed} % of the mask changed; {likeness} % of the outlines outside the mask are kept.",
  verdictLost:
    "The result is nothing like the image ({likeness} % of its outlines are left). Turn strength down, choose the " +
    "preset 'keep the shape', lengthen the cross and self windows in Attention Edit, or change fewer words of the " +
    "prompt.",
  verdictLostMask:
    "Outside the mask, the result is nothing like the image ({likeness} % of its outlines are left). Turn strength " +
    "down, connect the mask to Inversion Edit Sampler too, or restore the original outside the mask in Inversion " +
    "Decode.",
  verdictSame:
    "The result is nearly the same image ({changed} % of it changed). Turn strength up, shorten the cross and self " +
    "windows in Attention Edit, or name what should change in the target prompt.",
  verdictSameLossy:
    "The result is nearly the model's reconstruction of the unedited image ({changed} % differs), and that " +
    "reconstruction differs visibly from the image in {missed} %. Turn strength up for the edit; connect Inversion " +
    "Report to see what the reconstruction loses.",
  verdictSameMask:
    "The result is nearly the same image ({changed} % of the mask changed). Turn strength up, shorten the cross and " +
    "self windows in Attention Edit, or name what should change in the target prompt.",
  verdictUnheld:
    "The model cannot represent this image: the reconstruction is nothing like it either ({likeness} % of its " +
    "outlines are left in the edit). Check that checkpoint and VAE belong together and are made for such images, and " +
    "invert at guidance 1 with more steps. The toybox knows only its own cartoons.",
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
