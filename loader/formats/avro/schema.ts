// The schema of an Avro file. avsc reads it, and knows names and namespaces; the attributes of
// logical types, which it drops, are kept beside its types.

import avsc from 'avsc';
import type { Type, types } from 'avsc';

interface Noted {
  readonly logicalType: string;
  readonly scale: number;
}

const notes = new WeakMap<Type, Noted>();

/** A type that only keeps what its schema says. */
class NotedType extends avsc.types.LogicalType {
  constructor(schema: unknown, options?: unknown) {
    super(schema as never, options);
    const { logicalType, scale } = schema as { logicalType: string; scale?: unknown };
    notes.set(this, { logicalType, scale: Number(scale ?? 0) });
  }

  protected override _fromValue(value: unknown): unknown {
    return value;
  }

  protected override _toValue(value: unknown): unknown {
    return value;
  }
}

const LOGICAL_TYPES = [
  'decimal',
  'uuid',
  'duration',
  'date',
  'time-millis',
  'time-micros',
  'timestamp-millis',
  'timestamp-micros',
  'timestamp-nanos',
  'local-timestamp-millis',
  'local-timestamp-micros',
  'local-timestamp-nanos',
];

/** The type of the rows. Throws an Error for a schema that is none, or is not a record. */
export function rowType(schema: string): types.RecordType {
  const logicalTypes = Object.fromEntries(LOGICAL_TYPES.map((name) => [name, NotedType]));
  const type = avsc.Type.forSchema(JSON.parse(schema) as never, {
    logicalTypes,
    wrapUnions: true,
  });
  if (type.typeName === 'record') return type as types.RecordType;
  throw new Error(`its rows are not records but of the type ${type.typeName}`);
}

/** The physical type, and what its schema says about it. */
export function annotationsOf(type: Type): Noted & { readonly type: Type } {
  const noted = notes.get(type);
  if (noted === undefined) return { type, logicalType: '', scale: 0 };
  return { ...noted, type: (type as types.LogicalType).underlyingType };
}
