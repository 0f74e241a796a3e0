// What a mark, a manifest and a snapshot must look like. Fields that are not named here are
// ignored: a later release may add some.

import { Ajv } from 'ajv';
import type { JSONSchemaType } from 'ajv';
import type { ArchivedManifest, ArchiveMark, Snapshot } from './archived.ts';

export const id = { type: 'string', pattern: '^[0-9a-f]{16}$' } as const;
export const count = { type: 'integer', minimum: 0 } as const;
export const text = { type: 'string' } as const;
const flag = { type: 'boolean', nullable: true } as const;
const setting = { ...count, nullable: true } as const;
export const totals = {
  records: count,
  keyBytes: count,
  valueBytes: count,
  digest: { type: 'string', pattern: '^[0-9a-f]{32}$' },
} as const;
export const TOTALS = ['records', 'keyBytes', 'valueBytes', 'digest'] as const;
export const segmentId = {
  type: 'string',
  pattern: '^[0-9]{5}-[0-9a-f]{32}-[0-9a-f]{32}$',
} as const;
export const shardCount = { type: 'integer', minimum: 1 } as const;
const common = { clusterId: id, shardCount, createdAt: text };
const COMMON = ['clusterId', 'shardCount', 'createdAt'] as const;

const mark: JSONSchemaType<ArchiveMark> = {
  type: 'object',
  properties: common,
  required: COMMON,
};

const manifest: JSONSchemaType<ArchivedManifest> = {
  type: 'object',
  properties: {
    keyspaceUid: id,
    shardCount,
    version: {
      type: 'object',
      properties: {
        ...totals,
        number: { type: 'integer', minimum: 1 },
        isRejected: { type: 'boolean' },
        source: text,
        input: text,
        inputFingerprint: text,
        committedAt: text,
      },
      required: [
        ...TOTALS,
        'number',
        'isRejected',
        'source',
        'input',
        'inputFingerprint',
        'committedAt',
      ],
    },
    segments: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          ...totals,
          id: segmentId,
          shard: count,
          fileBytes: count,
        },
        required: [...TOTALS, 'id', 'shard', 'fileBytes'],
      },
    },
    overwritten: {
      type: 'object',
      required: [],
      additionalProperties: { type: 'object', properties: totals, required: TOTALS },
    },
  },
  required: ['keyspaceUid', 'shardCount', 'version', 'segments', 'overwritten'],
};

const snapshot: JSONSchemaType<Snapshot> = {
  type: 'object',
  properties: {
    ...common,
    keyspaces: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          uid: id,
          name: text,
          currentVersion: count,
          replication: setting,
          keep: setting,
          suspended: flag,
          uncached: flag,
          tier: { type: 'string', enum: ['memory', 'disk'], nullable: true },
          versions: {
            type: 'array',
            items: {
              type: 'object',
              properties: { number: count, segmentBytes: count, records: count, manifest: text },
              required: ['number', 'segmentBytes', 'records', 'manifest'],
            },
          },
        },
        required: ['uid', 'name', 'currentVersion', 'versions'],
      },
    },
  },
  required: [...COMMON, 'keyspaces'],
};

let ajv: Ajv | undefined;

/**
 * Whether a value has the form of `schema`. Compiles the schema for the first value: most processes
 * never see one, and all schemas together would take a tenth of their start.
 */
export function shapeOf<Content>(
  schema: JSONSchemaType<Content>,
): (value: unknown) => value is Content {
  let matches: ((value: unknown) => value is Content) | undefined;
  return (value): value is Content => {
    ajv ??= new Ajv();
    matches ??= ajv.compile(schema);
    return matches(value);
  };
}

export const isMark = shapeOf(mark);
export const isManifest = shapeOf(manifest);
export const isSnapshot = shapeOf(snapshot);
