import { report } from "./report.js";

/**
 * Calls the application's functions one after the other, in the order in which they became due.
 *
 * - The client finishes its own work on an event before the first call. So none of it is left undone, whatever a
 *   function does: throw, use the client, or never return.
 * - The last does happen: when a navigation begins, Firefox ends the running script without an exception, and the
 *   page stays if the navigation leads nowhere (a download, a 204). Calls still due are made at the next event.
 */
export class CallQueue {
  /** @type {Set<() => unknown>} */
  #due = new Set();
  #running = false;
  #on_error;

  /** @param {((error: unknown) => void) | undefined} on_error receives errors that nothing else handles */
  constructor(on_error = report) {
    this.#on_error = on_error;
  }

  /** @param {() => unknown} call made by the next `run`; what it throws is reported */
  add(call) {
    this.#due.add(call);
  }

  /** @param {unknown} error that nothing else handles */
  report = (error) => this.add(() => this.#report(error));

  /** @param {unknown} error */
  #report(error) {
    try {
      this.#on_error(error);
    } catch (thrown) {
      report(error);
      report(thrown);
    }
  }

  /** Make the calls that are due, unless one of them is being made. */
  run() {
    // Either a call led here, and nothing will be left to do, or that call has never returned.
    if (this.#running) setTimeout(this.#run);
    else this.#run();
  }

  #run = () => {
    this.#running = true;
    // Calls added meanwhile are made too.
    for (const call of this.#due) {
      this.#due.delete(call);
      try {
        call();
      } catch (error) {
        this.#report(error);
      }
    }
    this.#running = false;
  };
}
