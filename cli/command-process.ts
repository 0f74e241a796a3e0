// The edges of the process of a command: its streams, its exit code, and what to do with an error that nobody
// caught. Everything else is in program.ts.

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
// What is left of a log is written at the exit, as far as it can be.
if (output.isLog) process.exit(code);
// Written out before the exit: a pipe may take its time.
process.stdout.write('', (failure) => {
  if (failure === null || failure === undefined) process.exit(code);
  // The reason comes with the event above, if it has not come yet.
  setImmediate(() => process.exit(EXIT_FAILED));
});

/** The reader of a pipe may have gone (`stele shards | head`): that is no error of ours. */
function stdoutFailed(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return EXIT_OK;
  const text = `The output cannot be written (${error.code ?? error.message}); make room for it, or write it elsewhere.`;
  return reportError(output, new SteleError('IO', text, { cause: error }), process.env);
}
