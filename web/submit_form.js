// A form that creates something: sends it, and goes on to what came of it, or shows what is wrong where it stands.

import { announce, h } from "./dom.js";
import { showErrors } from "./form.js";

// `fields` and `summary` are nodes; send() returns a promise of what was created, done(it) says where to go: {said, hash}.
export function submitForm({ fields, summary, label, trial, send, done, navigate }) {
  const submit = h("button", { class: "button primary", type: "submit" }, label);
  return h("form", {
    novalidate: true,
    onsubmit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      trial.forget();
      try {
        const { said, hash } = done(await send());
        announce(said);
        navigate(hash);
      } catch (error) {
        showErrors(fields, summary, error, { focus: true });
      } finally {
        submit.disabled = false;
      }
    },
  }, fields, summary, h("div", { class: "actions form-end" }, submit));
}
