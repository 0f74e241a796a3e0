// What a role's process tells the supervisor that started it, over Node.js's IPC channel.

import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';

/** Set to 1 for a child of `stele up`; a channel alone may belong to another process manager. */
export const SUPERVISED_VARIABLE = 'STELE_SUPERVISED';

export type ChildMessage =
  | { readonly type: 'listening'; readonly address: NodeAddress }
  | { readonly type: 'failed'; readonly sentence: string };

/** True for a message of ours; the channel carries whatever a child sends. */
export function isChildMessage(value: unknown): value is ChildMessage {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  if (value.type === 'failed') return 'sentence' in value && typeof value.sentence === 'string';
  return value.type === 'listening' && 'address' in value && typeof value.address === 'object';
}
