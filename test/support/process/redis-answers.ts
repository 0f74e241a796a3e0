// The reply bytes of a Redis server, either redis-server or Stele.

import { connect } from 'node:net';
import { multibulk } from '../../resp/split.ts';

/** The last command of a conversation. */
export const END = 'end of the answers';

/**
 * All bytes that are received for `bytes`, until the reply to a last ECHO, or the end of the
 * connection.
 */
export function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`no end of ${text}`)), 10_000);
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
      if (text.includes(END)) socket.destroy();
    });
    // redis-server resets a connection whose input it has not read.
    socket.on('error', (error) => {
      if ('code' in error && error.code === 'ECONNRESET') return;
      reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    socket.end(bytes);
  });
}

/** The reply to one command, after a HELLO. */
export function answerTo(
  port: number,
  protocol: number,
  command: readonly string[],
): Promise<string> {
  return answersTo(port, protocol, [command]);
}

/** Like `answerTo`, for several commands. */
export function answersTo(
  port: number,
  protocol: number,
  commands: readonly (readonly string[])[],
): Promise<string> {
  const hello = multibulk('HELLO', String(protocol), 'SETNAME', 'someone');
  const parts = [
    hello,
    multibulk('ECHO', '-- from here --'),
    ...commands.map((command) => multibulk(...command)),
  ];
  return exchange(port, Buffer.concat([...parts, multibulk('ECHO', END)])).then(
    (text) => text.split('-- from here --\r\n')[1] ?? text,
  );
}
