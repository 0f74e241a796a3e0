import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE, SteleError, isErrorCode } from '../../base/errors.ts';
import { steleErrorFromGrpc, toGrpcError } from '../../transport/grpc-errors.ts';

describe('an error over gRPC', () => {
  it('arrives with its code and its sentence, for every code', () => {
    for (const code of Object.keys(ERROR_TABLE)) {
      if (!isErrorCode(code)) throw new Error(code);
      const sent = toGrpcError(new SteleError(code, `what ${code} means`));
      expect(sent.code).toBe(ERROR_TABLE[code].grpc);
      const received = steleErrorFromGrpc(sent, 'peer');
      expect(received).toMatchObject({ code, message: `what ${code} means` });
    }
  });

  it('names the peer when the connection failed and not the peer', () => {
    const lost = Object.assign(new Error('14'), { code: status.UNAVAILABLE, details: 'refused' });
    const error = steleErrorFromGrpc(lost, '127.0.0.1:1');
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(error.message).toContain('127.0.0.1:1');
    const late = Object.assign(new Error('4'), { code: status.DEADLINE_EXCEEDED, details: '' });
    expect(steleErrorFromGrpc(late, 'p').code).toBe('DEADLINE_EXCEEDED');
  });

  it('says why there is no connection without the frame of grpc-js', () => {
    const details =
      'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ';
    const lost = Object.assign(new Error('14'), { code: status.UNAVAILABLE, details });
    expect(steleErrorFromGrpc(lost, 'the master').message).toBe(
      'Nothing answers at the master (connect ECONNREFUSED 127.0.0.1:1).',
    );
  });

  it('does not believe a code that is none', () => {
    const sent = toGrpcError(new SteleError('CORRUPT', 'x'));
    sent.metadata?.set('stele-code', 'constructor');
    expect(steleErrorFromGrpc(sent, 'p').code).toBe('INTERNAL');
  });
});
