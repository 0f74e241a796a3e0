import { describe, expect, it } from 'vitest';
import { ReplyWriter } from '../../../resp/wire/encoder.ts';
import { SLAB_BYTES, Slabs } from '../../../resp/wire/slabs.ts';
import { MapBackend } from '../map-backend.ts';
import { RawClient, listenFor } from '../raw-client.ts';
import { multibulk } from '../split.ts';

describe('Slabs', () => {
  it('are reused only when everything in them was sent', () => {
    const slabs = new Slabs();
    const first = slabs.take(10);
    slabs.addFilled(first);
    expect(slabs.take(10)).not.toBe(first);
    slabs.reuseFilled();
    expect(slabs.take(10)).toBe(first);
    slabs.addFilled(first);
    slabs.dropFilled();
    slabs.reuseFilled();
    expect(slabs.take(10)).not.toBe(first);
  });

  it('of other sizes are not reused', () => {
    const slabs = new Slabs();
    const large = slabs.take(SLAB_BYTES + 1);
    slabs.addFilled(large);
    slabs.reuseFilled();
    expect(slabs.take(10)).not.toBe(large);
  });
});

describe('a writer whose chunks are kept', () => {
  const fill = (out: ReplyWriter, text: string): string => {
    out.bulkText(text.repeat(SLAB_BYTES / 2));
    return out.take().toString();
  };

  it('no longer writes into their memory, but reuses later ones', () => {
    const out = new ReplyWriter();
    out.bulkText('kept');
    const kept = out.takeChunks();
    out.keepTaken();
    const seen: string[] = [];
    for (let round = 0; round < 20; round++) {
      seen.push(fill(out, String(round % 10)));
      out.reuseSent();
    }
    expect(Buffer.concat(kept).toString()).toBe('$4\r\nkept\r\n');
    expect(new Set(seen.map((text) => text.slice(8, 100))).size).toBe(10);
  });

  it('reuses no slab whose command was rewound', () => {
    const out = new ReplyWriter();
    out.bulkText('before');
    out.mark();
    for (let part = 0; part < 5; part++) out.bulkText('x'.repeat(SLAB_BYTES / 2));
    out.rewind();
    out.reuseSent();
    for (let part = 0; part < 5; part++) out.bulkText('y'.repeat(SLAB_BYTES / 2));
    expect(out.take().toString().startsWith('$6\r\nbefore\r\n$32768\r\nyyy')).toBe(true);
  });
});

it('a client that reads late gets its own replies, whatever others are sent in the meantime', async () => {
  const word = (number: number): string => `${number}:`.padEnd(3000, String(number % 10));
  const { port } = await listenFor(new MapBackend());
  const late = new RawClient(port);
  late.socket.pause();
  const count = 3000;
  late.send(
    Buffer.concat(Array.from({ length: count }, (_, number) => multibulk('ECHO', word(number)))),
  );
  const busy = new RawClient(port);
  for (let round = 1; round <= 40; round++) {
    const many = Array.from({ length: 50 }, () => multibulk('ECHO', 'b'.repeat(3000)));
    await busy.send(Buffer.concat(many)).wait(round * 50);
  }
  late.socket.resume();
  const replies = await late.wait(count);
  expect(
    replies.every(
      (reply, number) => reply.type === 'bulk' && reply.bytes.toString() === word(number),
    ),
  ).toBe(true);
});
