/**
 * Report an error that nothing else handles.
 *
 * @param {unknown} error
 */
export function report(error) {
  // In a page and its workers, tools listen to this. In Deno and Bun it would end the program.
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
