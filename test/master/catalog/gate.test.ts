import { expect, test } from 'vitest';
import { gateMessage, gateRecord } from '../../../master/catalog/gate.ts';
import { emptyGate } from '../../../proto/load-gate.ts';

test('the gate of a load is the same after it was stored', () => {
  const open = emptyGate();
  const requireKeys = [
    { key: Buffer.from([0, 255]), value: undefined },
    { key: Buffer.from('a'), value: Buffer.alloc(0) },
  ];
  for (const gate of [
    open,
    { ...open, expectRows: 5, expectTolerance: 0.1, minRows: 0, requireKeys },
  ]) {
    expect(gateMessage(JSON.parse(JSON.stringify(gateRecord(gate))) as never)).toEqual(gate);
  }
});
