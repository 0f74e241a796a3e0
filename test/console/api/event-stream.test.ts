import { assert, integer, property, array } from 'fast-check';
import { expect, test } from 'vitest';
import { EventStreamParser, readEventStream } from '../../../console/api/event-stream.ts';
import type { StreamMessage } from '../../../console/api/event-stream.ts';

const STREAM =
  ': hello\n\nevent: event\nid: 7\ndata: {"number":7}\n\n' +
  'event: event\r\nid: 8\r\ndata: {"a":1,\r\ndata: "b":2}\r\n\r\nretry: 10\n\ndata:plain\n\n';
const MESSAGES: StreamMessage[] = [
  { event: 'event', id: '7', data: '{"number":7}' },
  { event: 'event', id: '8', data: '{"a":1,\n"b":2}' },
  { event: 'message', id: '8', data: 'plain' },
];

test('messages are the same wherever the stream is cut', () => {
  const cuts = array(integer({ min: 0, max: STREAM.length }), { maxLength: 12 });
  assert(
    property(cuts, (places) => {
      const ends = [...places, STREAM.length].sort((one, other) => one - other);
      const parser = new EventStreamParser();
      let from = 0;
      const found = ends.flatMap((end) => {
        const messages = parser.take(STREAM.slice(from, end));
        from = end;
        return messages;
      });
      expect(found).toEqual(MESSAGES);
    }),
  );
});

test('a stream is read to its end, also with a character in two pieces', async () => {
  const bytes = new TextEncoder().encode('data: {"who":"Åse"}\n\n');
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const found: string[] = [];
  await readEventStream(body, ({ data }) => found.push(data));
  expect(found).toEqual(['{"who":"Åse"}']);
});
