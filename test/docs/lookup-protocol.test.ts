import { expect, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import {
  FRAME_HEAD_BYTES,
  PackedWriter,
  encodeRefusal,
  takeRequest,
  writeReplyHead,
} from '../../proto/lookup-protocol.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfText } from '../../ring/slot.ts';
import { decodeReply, encodeRequest } from '../conformance/lookup-peer.ts';
import { readDoc, section, tableRows } from './markdown.ts';

const page = readDoc('docs/lookup-protocol.md');

function vector(name: string): string {
  const found = new RegExp(`<!-- vector: ${name} -->\\s+\`\`\`\n([^\`]*)\`\`\``).exec(page);
  return (found?.[1] ?? '').replaceAll(/\s/g, '');
}

const SKU = { keyspaceUid: '0123456789abcdef', version: 3 };
const EMPTY = { keyspaceUid: '00000000deadbeef', version: 1000 };

test('the request in the page is the one that the product and the independent client send', () => {
  const writer = new PackedWriter(64, FRAME_HEAD_BYTES);
  const asked = [
    { target: SKU, key: Buffer.from('sku-1') },
    { target: EMPTY, key: Buffer.alloc(0) },
  ];
  expect(vector('request')).toBe(takeRequest(writer, 7, asked).toString('hex'));
  const keys = ['sku-1', ''].map((key, target) => ({ target, key: Buffer.from(key) }));
  const targets = [SKU, EMPTY].map(({ keyspaceUid: uid, version }) => ({ uid, version }));
  expect(vector('request')).toBe(encodeRequest(7, keys, targets).toString('hex'));
});

test('so are the reply and the refusal', () => {
  const writer = new PackedWriter(64, FRAME_HEAD_BYTES);
  const none = Buffer.alloc(0);
  writer.addResult(LookupStatus.OK, Buffer.from('10.50'), 0, 5);
  writer.addResult(LookupStatus.NOT_FOUND, none, 0, 0);
  writer.addResult(LookupStatus.UNAVAILABLE, none, 0, 0);
  const frame = writer.take();
  writeReplyHead(frame, 7, 0, 3);
  expect(vector('reply')).toBe(frame.toString('hex'));
  const { byteCount, reply } = decodeReply(Buffer.from(vector('reply'), 'hex'))!;
  expect(byteCount).toBe(frame.length);
  expect(reply.results.map(({ status, value }) => [status, value.toString()])).toEqual([
    [1, '10.50'],
    [2, ''],
    [3, ''],
  ]);
  const refusal = encodeRefusal(new SteleError('WRONG_NODE', 'This is node-1.'));
  expect(vector('refusal')).toBe(refusal.toString('hex'));
});

test('the slots of the page are those of the ring', () => {
  const rows = tableRows(section(page, 'Test vectors')).filter(([, slot]) => /\d/.test(slot ?? ''));
  expect(rows).toHaveLength(4);
  for (const [key = '', slot, shard] of rows) {
    const found = slotOfText(key);
    expect([found.toLocaleString('en'), String(shardOfSlot(found, 128))]).toEqual([slot, shard]);
  }
});
