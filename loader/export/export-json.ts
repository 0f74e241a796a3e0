// The JSON that an export writes beside its rows (docs/export.md).

import type { JSONSchemaType } from 'ajv';
import type { ArchivedTotals } from '../../archive/archived.ts';
import { shapeOf } from '../../archive/schemas.ts';
import type { RowsForm } from '../threads/export-task.ts';
import type { Unit } from './units.ts';

/** What is exported, and as what. */
export interface ExportedVersion extends ArchivedTotals, RowsForm {
  readonly keyspace: string;
  readonly keyspaceUid: string;
  readonly version: number;
}

export interface ExportPlan extends ExportedVersion {
  readonly units: readonly Unit[];
}

/** One file of rows. */
export interface ExportPart {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** The files of one unit. */
export interface UnitNote extends ArchivedTotals {
  /** The name of its plan. */
  readonly plan: string;
  readonly parts: readonly ExportPart[];
}

export interface ExportManifest extends ExportedVersion {
  readonly parts: readonly ExportPart[];
}

const word = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const totals = { records: count, keyBytes: count, valueBytes: count, digest: word } as const;
const TOTALS = ['records', 'keyBytes', 'valueBytes', 'digest'] as const;
const flag = { type: 'boolean' } as const;
const exported = {
  ...totals,
  keyspace: word,
  keyspaceUid: word,
  version: count,
  format: { type: 'string', enum: ['jsonl', 'csv', 'parquet'] },
  compress: { type: 'string', enum: ['none', 'gzip'] },
  text: { type: 'object', properties: { key: flag, value: flag }, required: ['key', 'value'] },
} as const;
const EXPORTED = [
  ...TOTALS,
  'keyspace',
  'keyspaceUid',
  'version',
  'format',
  'compress',
  'text',
] as const;
const parts = {
  type: 'array',
  items: {
    type: 'object',
    properties: { name: word, rows: count, bytes: count, sha256: word },
    required: ['name', 'rows', 'bytes', 'sha256'],
  },
} as const;

const plan: JSONSchemaType<ExportPlan> = {
  type: 'object',
  properties: {
    ...exported,
    units: {
      type: 'array',
      items: {
        type: 'object',
        properties: { first: count, last: count },
        required: ['first', 'last'],
      },
    },
  },
  required: [...EXPORTED, 'units'],
};
const note: JSONSchemaType<UnitNote> = {
  type: 'object',
  properties: { ...totals, plan: word, parts },
  required: [...TOTALS, 'plan', 'parts'],
};
const manifest: JSONSchemaType<ExportManifest> = {
  type: 'object',
  properties: { ...exported, parts },
  required: [...EXPORTED, 'parts'],
};

export const isPlan = shapeOf(plan);
export const isNote = shapeOf(note);
export const isManifest = shapeOf(manifest);
