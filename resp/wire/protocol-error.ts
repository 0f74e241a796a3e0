// The error for bytes that are not the Redis protocol.

import { SteleError } from '../../base/errors.ts';

/**
 * The stream can no longer be parsed: send `-ERR ${message}` and close. `message` is Redis 7's own
 * text where Redis has one, and always starts with `Protocol error: `.
 */
export class ProtocolError extends SteleError {
  constructor(detail: string) {
    super('INVALID_ARGUMENT', `Protocol error: ${detail}`);
  }
}
