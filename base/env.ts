// The environment of a process: time, randomness and files. Master and datanode take it as an
// argument; a simulation gives each process its own.

import { systemTime } from './clock.ts';
import type { Time } from './clock.ts';
import { systemFiles } from './disk/files.ts';
import type { Files } from './disk/files.ts';
import { randomId } from './ids.ts';

export interface Env extends Time {
  readonly files: Files;
  /** A new random id of 16 hex digits. */
  randomId(): string;
}

export const systemEnv: Env = { ...systemTime, files: systemFiles, randomId };
