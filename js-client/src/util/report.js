/**
 * Report an error that nothing else handles.
 *
 * @param {unknown} error
 */
export function report(error) {
  // Tools listen to this in a page and its workers. In Deno and Bun it would end the program.
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
