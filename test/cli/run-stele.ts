// A command line, run in this process.

import { runCommandLine } from '../../cli/program.ts';
import { RecordingOutput } from './recording-output.ts';

export interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function stele(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Done> {
  const output = new RecordingOutput();
  const code = await runCommandLine(args, output, env);
  return { code, stdout: output.stdout, stderr: output.stderr };
}
