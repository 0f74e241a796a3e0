// The messages of a role's process to its supervisor, over Node.js's IPC channel.

import { isErrorCode } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';

/** Set to 1 for a child of `stele up`; a channel alone may belong to another process manager. */
export const SUPERVISED_VARIABLE = 'STELE_SUPERVISED';

export type ChildMessage =
  | { readonly type: 'listening'; readonly address: NodeAddress }
  | { readonly type: 'failed'; readonly sentence: string; readonly code: ErrorCode };

/** Whether a value is one of these messages; the channel carries whatever a child sends. */
export function isChildMessage(value: unknown): value is ChildMessage {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  if (value.type === 'failed') return isFailure(value);
  return value.type === 'listening' && 'address' in value && typeof value.address === 'object';
}

function isFailure(value: object): boolean {
  if (!('sentence' in value) || typeof value.sentence !== 'string') return false;
  return 'code' in value && typeof value.code === 'string' && isErrorCode(value.code);
}
