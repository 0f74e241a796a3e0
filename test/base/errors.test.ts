import { describe, expect, it } from 'vitest';
import {
  ERROR_TABLE,
  isErrorCode,
  SteleError,
  systemErrorCode,
  toSteleError,
} from '../../base/errors.ts';

describe('ERROR_TABLE', () => {
  it('gives every code a gRPC status, an HTTP status and a RESP prefix that exist', () => {
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      expect(code).toMatch(/^[A-Z][A-Z_]+$/);
      expect(row.grpc, code).toBeGreaterThanOrEqual(1);
      expect(row.grpc, code).toBeLessThanOrEqual(16);
      expect(row.http, code).toBeGreaterThanOrEqual(400);
      expect(row.http, code).toBeLessThan(600);
      expect(row.resp, code).toMatch(/^[A-Z]+$/);
    }
  });

  it('never lets a wrong request be repeated unchanged', () => {
    for (const [code, row] of Object.entries(ERROR_TABLE)) {
      if (row.grpc === 3) expect(row.retryable, code).toBe(false);
    }
  });

  it('never calls what cannot be known "not found"', () => {
    for (const code of ['UNAVAILABLE', 'UNINITIALIZED', 'REPLICAS_MISSING'] as const) {
      expect(ERROR_TABLE[code].http).toBe(503);
      expect(ERROR_TABLE[code].retryable).toBe(true);
    }
  });
});

describe('isErrorCode', () => {
  it('knows the codes of the table', () => {
    expect(isErrorCode('NOT_FOUND')).toBe(true);
    expect(isErrorCode('not_found')).toBe(false);
  });

  it('does not accept the properties of every object', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(isErrorCode(name)).toBe(false);
    }
  });
});

describe('SteleError', () => {
  it('takes retryable from the table', () => {
    expect(new SteleError('UNAVAILABLE', 'x').retryable).toBe(true);
    expect(new SteleError('CORRUPT', 'x').retryable).toBe(false);
  });

  it('lets one error differ from the table', () => {
    expect(new SteleError('UNAVAILABLE', 'x', { retryable: false }).retryable).toBe(false);
  });

  it('keeps its cause, and has none when none was given', () => {
    const cause = new Error('below');
    expect(new SteleError('IO', 'x', { cause }).cause).toBe(cause);
    expect('cause' in new SteleError('IO', 'x')).toBe(false);
  });

  it('is an Error with its own name', () => {
    const error = new SteleError('IO', 'The disk is gone.');
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('SteleError: The disk is gone.');
  });
});

describe('toSteleError', () => {
  it('returns a SteleError unchanged', () => {
    const error = new SteleError('NOT_FOUND', 'x');
    expect(toSteleError(error, 'IO')).toBe(error);
  });

  it.each([
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EADDRINUSE', 'PORT_IN_USE'],
    ['EACCES', 'IO'],
    ['EMFILE', 'IO'],
  ])('turns %s into %s, whatever was asked for', (systemCode, code) => {
    const thrown = Object.assign(new Error('system'), { code: systemCode });
    const error = toSteleError(thrown, 'INTERNAL');
    expect(error.code).toBe(code);
    expect(error.cause).toBe(thrown);
  });

  it('uses the given code for everything else, INTERNAL without one', () => {
    expect(toSteleError(new Error('x'), 'CORRUPT').code).toBe('CORRUPT');
    expect(toSteleError(new Error('x')).code).toBe('INTERNAL');
  });

  it('takes a thrown string for its message', () => {
    expect(toSteleError('just text').message).toBe('just text');
  });
});

describe('systemErrorCode', () => {
  it('is undefined for anything without a text code', () => {
    expect(systemErrorCode(new Error('x'))).toBeUndefined();
    expect(systemErrorCode(Object.assign(new Error('x'), { code: 5 }))).toBeUndefined();
    expect(systemErrorCode({ code: 'ENOENT' })).toBeUndefined();
  });
});
