// What the stages of one load share.

import type { Logger } from '../../base/log.ts';
import type { ParseOutcome } from '../threads/parse-task.ts';
import type { Checkpoint, CheckpointLog, ShardDone } from '../work/checkpoint.ts';
import type { Conflicts } from './conflicts.ts';
import type { Notice } from '../input/find-inputs.ts';
import type { ProgressCounter } from './load-progress.ts';
import type { ChunkPlan } from '../plan/chunk-plan.ts';
import type { Portion } from '../parse/portions.ts';
import type { PreparedInput } from '../input/inputs.ts';
import type { LoadSettings } from '../settings.ts';
import type { WorkFolder } from '../work/work-folder.ts';
import type { WorkPool } from '../threads/work-pool.ts';

export interface LoadState extends ChunkPlan {
  readonly settings: LoadSettings;
  readonly log: Logger;
  readonly notice: Notice;
  /** Aborts when the load is to stop at a checkpoint: on request, or because it has failed. */
  readonly stop: AbortController;
  readonly prepared: PreparedInput;
  readonly folder: WorkFolder;
  readonly pool: WorkPool;
  readonly progress: ProgressCounter;
  readonly checkpoint: CheckpointLog;
  /** What an earlier run completed and may be used again. */
  readonly kept: Pick<Checkpoint, 'chunks' | 'shards'>;
  readonly loadId: string;
  readonly keyspaceUid: string;
  readonly shardCount: number;
  /** 16 bytes, hex. */
  readonly binding: string;
}

/** A portion and what became of it; what it has for each shard is in the sums alone. */
export interface ParsedChunk extends Omit<ParseOutcome, 'sectionBytes' | 'sectionRows'> {
  readonly portion: Portion;
}

export interface ParseStageResult {
  /** In the input's order. */
  readonly chunks: readonly ParsedChunk[];
  readonly rowCount: number;
  readonly rejectedCount: number;
  /** Rows that took several lines. */
  readonly spanningCount: number;
  readonly chunksResumed: number;
  /** Encoded bytes and rows of each shard over all runs. */
  readonly shardBytes: Float64Array;
  readonly shardRows: Float64Array;
}

export interface ShardStageResult {
  readonly shards: readonly ShardDone[];
  readonly shardsResumed: number;
  /** None but where the load will not be committed. */
  readonly conflicts: Conflicts;
}
