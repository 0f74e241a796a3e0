#!/usr/bin/env node
// The `stele` command. Everything is in program.ts; here are the process's edges only: its streams,
// its exit code, and what to do with an error that nobody caught.

import { EXIT_OK, reportError } from './exit.ts';
import { processOutput } from './output.ts';
import { runCommandLine } from './program.ts';

const output = processOutput(process.env);

// The reader of a pipe may have gone (`stele shards | head`): that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT_OK : reportError(output, error, process.env));
});
process.stderr.on('error', () => undefined);
process.on('uncaughtException', (thrown) => {
  process.exit(reportError(output, thrown, process.env) || 1);
});
process.on('unhandledRejection', (thrown) => {
  process.exit(reportError(output, thrown, process.env) || 1);
});

const code = await runCommandLine(process.argv.slice(2), output, process.env);
// Written out before the exit: a pipe may take its time.
process.stdout.write('', () => process.exit(code));
