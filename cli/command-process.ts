// The process around a command: its streams, its exit code, and what happens to an uncaught error.
// Everything else is in program.ts.

import { SteleError } from '../base/errors.ts';
import { EXIT_FAILED, EXIT_OK, reportError } from './exit.ts';
import { processOutput } from './output.ts';
import { runCommandLine } from './program.ts';

const output = processOutput(process.env);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (!output.isLog) process.exit(stdoutFailed(error));
});
process.stderr.on('error', () => undefined);
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (thrown: unknown) => {
    process.exit(reportError(output, thrown, process.env) || EXIT_FAILED);
  });
}

const code = await runCommandLine(process.argv.slice(2), output, process.env);
// The rest of a log is written at the exit, as far as possible.
if (output.isLog) process.exit(code);
// Flushed before the exit, because a pipe may be slow.
process.stdout.write('', (failure) => {
  if (failure === null || failure === undefined) process.exit(code);
  // The event above reports the reason, if it has not yet.
  setImmediate(() => process.exit(EXIT_FAILED));
});

/**
 * Handles a failure of stdout. If the reader of a pipe has closed it (`stele shards | head`), that
 * is not an error.
 */
function stdoutFailed(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return EXIT_OK;
  const text = `The output cannot be written (${error.code ?? error.message}); make room for it, or write it elsewhere.`;
  return reportError(output, new SteleError('IO', text, { cause: error }), process.env);
}
