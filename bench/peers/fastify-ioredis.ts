// The common stack today: fastify in front of redis-server through ioredis, one GET per request.

import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { Redis } from 'ioredis';

const redis = new Redis(Number(process.argv[2]), '127.0.0.1', { enableAutoPipelining: true });
const app = fastify();
app.get<{ Params: { key: string } }>('/keys/:key', async (request, reply) => {
  const value = await redis.getBuffer(request.params.key);
  if (value === null) return reply.code(404).send({ code: 'NOT_FOUND' });
  return reply.type('application/octet-stream').send(value);
});
await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`listening ${(app.server.address() as AddressInfo).port}`);
