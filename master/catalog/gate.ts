// The gate of a load as the catalog stores it with a version. proto/load-gate.ts has the rule
// itself.

import type { LoadGate } from '../../proto/gen/stele/v1/load.ts';
import type { GateRecord, RequiredKeyRecord } from './records.ts';

export function gateRecord(gate: LoadGate): GateRecord {
  const { expectRows, expectTolerance, maxShrink, minRows, requireKeys } = gate;
  return {
    ...(expectRows === undefined ? {} : { expectRows, expectTolerance }),
    ...(minRows === undefined ? {} : { minRows }),
    ...(maxShrink === undefined ? {} : { maxShrink }),
    requireKeys: requireKeys.map(({ key, value }): RequiredKeyRecord => ({
      key: key.toString('hex'),
      ...(value === undefined ? {} : { value: value.toString('hex') }),
    })),
  };
}

export function gateMessage(record: GateRecord): LoadGate {
  return {
    expectRows: record.expectRows,
    expectTolerance: record.expectTolerance ?? 0,
    minRows: record.minRows,
    maxShrink: record.maxShrink,
    requireKeys: record.requireKeys.map(({ key, value }) => ({
      key: Buffer.from(key, 'hex'),
      value: value === undefined ? undefined : Buffer.from(value, 'hex'),
    })),
  };
}
