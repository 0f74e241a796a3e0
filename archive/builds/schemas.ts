// What a build's mark and manifests must look like. Fields that are not named here are ignored: a
// later release may add some.

import type { JSONSchemaType } from 'ajv';
import { count, id, segmentId, shapeOf, shardCount, text, totals, TOTALS } from '../schemas.ts';
import type { BuildMark, BuiltMerge, BuiltTask } from './built.ts';

const hash = { type: 'string', pattern: '^[0-9a-f]{32}$' } as const;
const texts = { type: 'array', items: text } as const;
const counts = { type: 'array', items: count } as const;
const object = { type: 'object' } as const;

const mark: JSONSchemaType<BuildMark> = {
  ...object,
  properties: { keyspace: text, keyspaceUid: id, shardCount, clusterId: text, createdAt: text },
  required: ['keyspace', 'keyspaceUid', 'shardCount', 'clusterId', 'createdAt'],
};

const task: JSONSchemaType<BuiltTask> = {
  ...object,
  properties: {
    keyspaceUid: id,
    shardCount,
    task: { type: 'integer', minimum: 1 },
    tasks: { type: 'integer', minimum: 1 },
    input: {
      ...object,
      properties: {
        fingerprint: hash,
        text,
        bytes: count,
        flags: { ...object, required: [], additionalProperties: text },
        dialects: texts,
      },
      required: ['fingerprint', 'text', 'bytes', 'flags', 'dialects'],
    },
    binding: hash,
    rows: count,
    rejected: count,
    rejects: texts,
    runs: {
      type: 'array',
      items: {
        ...object,
        properties: { hash, bytes: count, rows: count, from: text },
        required: ['hash', 'bytes', 'rows', 'from'],
      },
    },
    shards: {
      ...object,
      properties: {
        rows: counts,
        keyBytes: counts,
        valueBytes: counts,
        digests: { type: 'string', pattern: '^[0-9a-f]*$' },
      },
      required: ['rows', 'keyBytes', 'valueBytes', 'digests'],
    },
  },
  required: [
    ...(['keyspaceUid', 'shardCount', 'task', 'tasks', 'input', 'binding'] as const),
    ...(['rows', 'rejected', 'rejects', 'runs', 'shards'] as const),
  ],
};

const merge: JSONSchemaType<BuiltMerge> = {
  ...object,
  properties: {
    keyspaceUid: id,
    shardCount,
    first: count,
    last: count,
    tasks: { type: 'array', items: hash },
    onConflict: { type: 'string', enum: ['error', 'first', 'last'] },
    shards: {
      type: 'array',
      items: {
        ...object,
        properties: {
          shard: count,
          rows: count,
          segment: {
            ...object,
            properties: { ...totals, id: segmentId, fileBytes: count },
            required: [...TOTALS, 'id', 'fileBytes'],
          },
          dropped: { ...object, properties: totals, required: TOTALS },
          overruled: count,
        },
        required: ['shard', 'rows', 'segment', 'dropped', 'overruled'],
      },
    },
  },
  required: [
    ...(['keyspaceUid', 'shardCount', 'first', 'last', 'tasks', 'onConflict', 'shards'] as const),
  ],
};

export const isBuildMark = shapeOf(mark);
export const isTask = shapeOf(task);
export const isMerge = shapeOf(merge);
