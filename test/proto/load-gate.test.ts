import { assert, double, integer, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { LoadGate } from '../../proto/gen/stele/v1/load.ts';
import { emptyGate, findRejection, gateFor } from '../../proto/load-gate.ts';
import type { GateCandidate } from '../../proto/load-gate.ts';

const OPEN = emptyGate();

function rejection(gate: Partial<LoadGate>, candidate: Partial<GateCandidate> = {}) {
  const whole = { records: 1000, current: { number: 4, records: 1000 }, keys: [], ...candidate };
  return findRejection({ ...OPEN, ...gate }, whole);
}

describe('--expect-rows', () => {
  test('accepts only the exact number', () => {
    expect(rejection({ expectRows: 1000 })).toBeUndefined();
    expect(rejection({ expectRows: 1001 })).toBe('it has 1000 rows, and --expect-rows wants 1001');
    expect(rejection({ expectRows: 999 })).toMatch(/wants 999$/);
  });

  test.each([
    [0.02, 980, 1020],
    [0.15, 850, 1150],
    [0.07, 930, 1070],
    [1, 0, 2000],
  ])('with a tolerance of %f takes %i to %i of 1000', (expectTolerance, least, most) => {
    const of = (records: number) => rejection({ expectRows: 1000, expectTolerance }, { records });
    expect([of(least), of(most)]).toEqual([undefined, undefined]);
    expect(of(most + 1)).toMatch(new RegExp(`\\(${least} to ${most}\\)$`));
    if (least > 0) expect(of(least - 1)).toMatch(/^it has \d+ rows, and --expect-rows wants 1000±/);
  });
});

test('--min-rows accepts that number and more', () => {
  expect(rejection({ minRows: 1000 })).toBeUndefined();
  expect(rejection({ minRows: 1001 })).toBe('it has 1000 rows, and --min-rows wants at least 1001');
  expect(rejection({ minRows: 2 }, { records: 1 })).toMatch(/^it has 1 row,/);
});

describe('--max-shrink', () => {
  test.each([0.5, 0.3, 0.2, 0.1, 0.07, 0])(
    'of %f accepts exactly that much, and not one more',
    (max) => {
      const least = Math.round(1000 * (1 - max));
      expect(rejection({ maxShrink: max }, { records: least })).toBeUndefined();
      expect(rejection({ maxShrink: max }, { records: least - 1 })).toMatch(
        /fewer than the 1000 of version 4, and --max-shrink allows/,
      );
    },
  );

  test('reports how much is missing', () => {
    expect(rejection({ maxShrink: 0.5 }, { records: 412 })).toBe(
      'it has 412 rows, 58.8% fewer than the 1000 of version 4, and --max-shrink allows 50%',
    );
  });

  test('accepts a first version, growth, and any version after an empty one', () => {
    expect(rejection({ maxShrink: 0 }, { current: undefined, records: 1 })).toBeUndefined();
    expect(rejection({ maxShrink: 0 }, { records: 1001 })).toBeUndefined();
    expect(rejection({ maxShrink: 0 }, { current: { number: 1, records: 0 } })).toBeUndefined();
  });
});

describe('--require-key', () => {
  const key = Buffer.from('k');
  const finding = (wanted: string | undefined, value: string | null) => ({
    required: { key, value: wanted === undefined ? undefined : Buffer.from(wanted) },
    value: value === null ? null : Buffer.from(value),
  });

  test('accepts any value, also an empty one, unless it names one', () => {
    expect(rejection({}, { keys: [finding(undefined, ''), finding('v', 'v')] })).toBeUndefined();
    expect(rejection({}, { keys: [finding('', '')] })).toBeUndefined();
  });

  test('names the key that is missing, or has another value', () => {
    expect(rejection({}, { keys: [finding(undefined, null)] })).toBe(
      "it has no key 'k', which --require-key wants",
    );
    expect(rejection({}, { keys: [finding('v', null)] })).toBe(
      "it has no key 'k', which --require-key wants with the value 'v' (a '=' in a key is written '\\=')",
    );
    expect(rejection({}, { keys: [finding('v', 'w\u0007')] })).toBe(
      "its key 'k' has the value 'w?', and --require-key wants 'v'",
    );
  });
});

test('all reasons are reported at once', () => {
  expect(rejection({ expectRows: 9, minRows: 2000, maxShrink: 0 }, { records: 500 })).toMatch(
    /--expect-rows.*; .*--min-rows.*; .*--max-shrink/,
  );
});

test('a version passes a gate that demands what it has', () => {
  assert(
    property(
      integer({ min: 0, max: 1e12 }),
      double({ min: 0, max: 1, noNaN: true }),
      (rows, part) => {
        const gate = { expectRows: rows, expectTolerance: part, minRows: rows, maxShrink: part };
        const current = { number: 1, records: Math.floor(rows / 1.0001) };
        expect(rejection(gate, { records: rows, current })).toBeUndefined();
      },
    ),
  );
});

describe('the gate of a load', () => {
  test('has a default limit of half for a replace, and none for an append', () => {
    expect(gateFor(undefined, LoadMode.REPLACE).maxShrink).toBe(0.5);
    expect(gateFor(undefined, LoadMode.APPEND).maxShrink).toBeUndefined();
    expect(gateFor({ ...OPEN, maxShrink: 0.9 }, LoadMode.REPLACE).maxShrink).toBe(0.9);
    expect(gateFor({ ...OPEN, maxShrink: 0.9 }, LoadMode.APPEND).maxShrink).toBe(0.9);
  });

  test('is refused if it demands too much, or something that is not a number', () => {
    const keys = (count: number, bytes: number) =>
      Array.from({ length: count }, () => ({ key: Buffer.alloc(bytes), value: undefined }));
    const gates = [
      { requireKeys: keys(1001, 1) },
      { requireKeys: keys(2, 40_000) },
      { maxShrink: Number.NaN },
      { expectTolerance: -1 },
    ];
    for (const gate of gates) {
      expect(() => gateFor({ ...OPEN, ...gate }, LoadMode.REPLACE)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    }
  });
});
