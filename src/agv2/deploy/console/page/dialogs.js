// Questions before anything is done: Enter does it, Escape leaves it; focus goes back to where it was.
import { byId, setText } from "/console/dom.js";
import { ask } from "/console/session.js";

let done = () => {};

export function wireDialogs({ afterwards }) {
  done = afterwards;
  byId("kill").onclick = () => open("kill-dialog", "kill-reason", () =>
    ask("/v1/kill", { reason: byId("kill-reason").value.trim(), flatten: byId("kill-flatten").checked }), "Killed.");
  byId("rearm").onclick = () => open("rearm-dialog", "rearm-reason", () =>
    ask("/v1/rearm", { reason: byId("rearm-reason").value.trim(), fresh_limits: byId("rearm-fresh").checked }), "Re-armed.");
  for (const cancel of document.querySelectorAll("dialog .cancel")) cancel.onclick = () => cancel.closest("dialog").close();
}

export function tellDialogs(state) {
  for (const each of document.querySelectorAll("dialog .account")) setText(each, state.account);
  setText(byId("rearm-because"), state.kill.reason);
}

export function openAnswer(approval, title, approve) {
  setText(byId("approval-title"), `${approve ? "Confirm" : "Deny"}: ${title.toLowerCase().replace(approval.symbol.toLowerCase(), approval.symbol)}`);
  setText(byId("approval-what"), approve ? "Its order is given to the caller that asked. The first answer stands." : "Nothing is opened. The first answer stands.");
  setText(byId("approval-yes"), approve ? "Confirm" : "Deny");
  open("approval-dialog", "approval-reason", () =>
    ask(`/v1/approvals/${approval.approval_id}`, { approve, reason: byId("approval-reason").value.trim() }), approve ? "Confirmed." : "Denied.");
}

function open(id, first, act, said) {
  const dialog = byId(id), form = dialog.querySelector("form"), problem = dialog.querySelector(".problem");
  form.reset();
  setText(problem, "");
  form.onsubmit = async (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    try {
      await act();
      dialog.close();
      done(said);
    } catch (error) {
      setText(problem, error.message);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  };
  dialog.showModal();
  byId(first).select(); // what is proposed is written over by typing
}
