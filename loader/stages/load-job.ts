// A load in progress: the one context of its stages. It grows in three steps, and nothing in it
// changes after its step but `progress` and the files in `folder`:
//
//     open-job.ts   OpenJob       inputs found, work folder locked
//     open-job.ts   PreparedJob   + dialects and chunk plan known, threads started
//     begin.ts      LoadJob       + admitted by the master; what an earlier process left is known
//
// A dry run makes the third step without a master (dry-run.ts).

import type { Readable } from 'node:stream';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Notice } from '../input/find-inputs.ts';
import type { FoundInput, InputFile, PreparedInput } from '../input/inputs.ts';
import type { Portion } from '../formats/chunks.ts';
import type { ChunkPlan } from '../plan/chunk-plan.ts';
import type { LoadSettings } from '../settings.ts';
import type { ParseOutcome } from '../threads/parse-task.ts';
import type { WorkPool } from '../threads/work-pool.ts';
import type { Checkpoint, CheckpointLog } from '../work/checkpoint.ts';
import type { WorkFolder } from '../work/work-folder.ts';
import type { LoadProgress, ProgressCounter } from './progress.ts';

/** What the caller of a load may watch and provide. */
export interface JobHooks {
  /** Called about five times a second, and at each change of stage. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /**
   * Called with what people should know although nothing is wrong: a sentence without its full
   * stop.
   */
  readonly onNotice?: (sentence: string) => void;
  readonly log?: Logger;
  /** Stops the load at a checkpoint: it rejects with CANCELLED. */
  readonly signal?: AbortSignal;
  /** What the path `-` reads; default: the standard input of the process. */
  readonly stdin?: Readable;
}

export interface LoadJob {
  readonly settings: LoadSettings;
  readonly hooks: JobHooks;
  readonly log: Logger;
  readonly notice: Notice;
  readonly progress: ProgressCounter;
  readonly found: readonly FoundInput[];
  readonly folder: WorkFolder;
  /** Aborts when the load is to stop at a checkpoint: on request, or because it has failed. */
  readonly stop: AbortController;

  readonly prepared: PreparedInput;
  readonly plan: ChunkPlan;
  readonly pool: WorkPool;

  readonly loadId: string;
  /** 16 hex digits; seeds the hashes of the segments. */
  readonly keyspaceUid: string;
  readonly shardCount: number;
  /** What the runs are bound to (checkpoint.ts): 16 bytes, hex. */
  readonly binding: string;
  readonly checkpoint: CheckpointLog;
  /** What an earlier process completed and may be used again. */
  readonly kept: Pick<Checkpoint, 'chunks' | 'shards'>;
  /** Where runs go; absent: they stay in the work folder. */
  readonly shelf?: RunShelf;
}

/** Takes the runs of a build away from this machine. */
export interface RunShelf {
  /** What an earlier process has stored of this portion, if it is still there. */
  find(portion: Portion): Promise<ParseOutcome | undefined>;
  /** Stores the run that was parsed (`outcome.totals` is there), and counts it. */
  take(portion: Portion, outcome: ParseOutcome): Promise<void>;
}

/** What the third step adds. */
type BegunPart = Pick<
  LoadJob,
  'loadId' | 'keyspaceUid' | 'shardCount' | 'binding' | 'checkpoint' | 'kept'
>;
/** A job whose inputs are known and not yet read. */
export type OpenJob = Omit<LoadJob, keyof BegunPart | 'prepared' | 'plan' | 'pool'>;
/** A job whose rows can be parsed once the number of shards is known. */
export type PreparedJob = Omit<LoadJob, keyof BegunPart>;

/**
 * A portion of the input and what became of it; its bytes for each shard are in the stage's sums
 * alone.
 */
export interface ParsedChunk extends Omit<ParseOutcome, 'sectionBytes' | 'sectionRows' | 'totals'> {
  readonly portion: Portion;
}

/** The input that a chunk is of. */
export function inputOf(
  { prepared }: Pick<LoadJob, 'prepared'>,
  { file }: { readonly file: number },
): InputFile {
  const input = prepared.inputs[file];
  if (input !== undefined) return input;
  throw new SteleError('INTERNAL', `There is no input ${file}.`);
}

/** Throws CANCELLED once the job is to stop. */
export function checkStopped({ stop }: Pick<LoadJob, 'stop'>): void {
  if (stop.signal.aborted) throw new SteleError('CANCELLED', 'The load was stopped.');
}
