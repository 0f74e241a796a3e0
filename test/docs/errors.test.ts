import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { ERROR_TABLE, isErrorCode, SteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { exitCodeOfError } from '../../cli/exit.ts';
import { readDoc, section, tableRows } from './markdown.ts';

const page = readDoc('docs/errors.md');

test('docs/errors.md gives every code its gRPC status, HTTP status, RESP prefix and whether it is retryable', () => {
  const rows = tableRows(page).filter(([code = '']) => isErrorCode(code));
  const documented = Object.fromEntries(rows.map(([code = '', ...cells]) => [code, cells]));
  const expected = Object.fromEntries(
    Object.entries(ERROR_TABLE).map(([code, row]) => [
      code,
      [`${row.grpc} ${status[row.grpc]}`, String(row.http), row.resp, row.retryable ? 'yes' : 'no'],
    ]),
  );
  expect(documented).toEqual(expected);
  expect(rows).toHaveLength(Object.keys(ERROR_TABLE).length);
});

test('docs/operations.md gives the exit code of each code', () => {
  const rows = tableRows(section(readDoc('docs/operations.md'), 'Scripts'));
  const documented = rows.flatMap(([exit = '', , codes = '']) =>
    [...codes.matchAll(/[A-Z_]{2,}/g)].map(([code]) => [code, exit]),
  );
  const codes = Object.keys(ERROR_TABLE) as ErrorCode[];
  const expected = codes
    .map((code) => [code, exitCodeOfError(new SteleError(code, 'x.'))] as const)
    .filter(([, exit]) => exit !== 1)
    .map(([code, exit]) => [code, exit < 128 ? String(exit) : '129, 130, 143']);
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(expected));
});

test('docs/errors.md explains every code, and what to do', () => {
  const explained = [...page.matchAll(/^- \*\*([A-Z_]+)\.\*\* \S.*\n {2}_What to do:_ \S/gm)].map(
    (match) => match[1],
  );
  expect(explained).toHaveLength(Object.keys(ERROR_TABLE).length);
  expect(new Set(explained)).toEqual(new Set(Object.keys(ERROR_TABLE)));
});
