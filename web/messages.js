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
    "the file has {size} MB, but this ComfyUI accepts up to {limit} MB. Copy the file into ComfyUI's input folder, " +
    "or start ComfyUI with --max-upload-size {wanted}.",
  next: "next images",
  pairOf: "{number} of {count}",
  pointAtWord: "Point at a word; choose words for the mask.",
  previous: "previous images",
  runToCompare: "Run the workflow to compare the images.",
  runToSeeWords: "Run the workflow to see the words.",
  thePicture: "the image",
  truthMissing:
    "Not right: the change is missing ({missing}), and the result is {level} dB from the true one. Turn strength " +
    "or guidance up, or shorten the cross and self windows in Attention Edit.",
  truthRight: "Right: the change is there ({wanted}), and the result is {level} dB from the true one.",
  verdictEdited:
    "The image was edited, and its shapes are kept: {changed} % of it changed, {likeness} % of its outlines are " +
    "kept. Look whether it is the change that you asked for; turn strength up for more of it, down for less.",
  verdictEditedFlat:
    "The image was edited: {changed} % of it changed. It has no outlines that could show what is kept; turn " +
    "strength up for more change, down for less.",
  verdictEditedFlatMask:
    "The image was edited in the mask: {changed} % of it changed. Outside there are no outlines that could show " +
    "what is kept; turn strength up for more change, down for less.",
  verdictEditedMask:
    "The image was edited in the mask ({changed} % of it changed), and kept outside ({likeness} % of the " +
    "outlines). Look whether it is the change that you asked for; turn strength up for more of it, down for less.",
  verdictEditedStrongly:
    "The image was edited strongly: {changed} % of it changed, and only {likeness} % of its outlines are kept. " +
    "Right for a new style or scene; else turn strength or guidance down, or choose the preset 'keep the shape'.",
  verdictEditedStronglyMask:
    "The image was edited in the mask ({changed} % of it changed), but also outside, where only {likeness} % of " +
    "the outlines are kept. Connect the mask to Inversion Edit Sampler too, or turn strength down.",
  verdictForeign: "{said}",
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
    "The result is nearly the same image ({changed} % of the mask changed). Turn strength up, shorten the cross " +
    "and self windows in Attention Edit, or name what should change in the target prompt.",
  verdictUnheld:
    "The model cannot represent this image: the reconstruction is nothing like it either ({likeness} % of its " +
    "outlines are left in the edit). Check that checkpoint and VAE belong together and are made for such images, " +
    "and invert at guidance 1 with more steps. The toybox knows only its own cartoons.",
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
