// Reads a cluster with hiredis: MASTER_PORT KEY VALUE KEY_COUNT. Prints "as expected", or what is not.

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *context;

static redisReply *call(const char *format, const char *a, const char *b) {
  redisReply *reply = redisCommand(context, format, a, b);
  if (reply != NULL) return reply;
  printf("%s: %s\n", format, context->errstr);
  exit(1);
}

static void check(const char *what, int condition) {
  if (condition) return;
  printf("%s is not as expected\n", what);
  exit(1);
}

static int is_text(redisReply *reply, const char *text) {
  return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
}

int main(int argc, char **argv) {
  check("the number of arguments", argc == 5);
  const char *key = argv[2], *value = argv[3];
  context = redisConnect("127.0.0.1", atoi(argv[1]));
  check("the connection", context != NULL && !context->err);
  check("get", is_text(call("GET %s", key, NULL), value));
  check("a missing key", call("GET %s", "none", NULL)->type == REDIS_REPLY_NIL);
  check("dbsize", call("DBSIZE", NULL, NULL)->integer == atoi(argv[4]));
  redisReply *mget = call("MGET %s %s", key, "none");
  check("mget", mget->elements == 2 && is_text(mget->element[0], value));
  call("MULTI", NULL, NULL);
  check("multi", strcmp(call("GET %s", key, NULL)->str, "QUEUED") == 0);
  redisReply *exec = call("EXEC", NULL, NULL);
  check("exec", exec->elements == 1 && is_text(exec->element[0], value));
  redisReply *set = call("SET %s %s", "a", "b");
  check("set", set->type == REDIS_REPLY_ERROR && strstr(set->str, "immutable") != NULL);
  char cursor[32] = "0";
  int count = 0;
  do {
    redisReply *page = call("SCAN %s COUNT %s", cursor, "100");
    check("scan", page->type == REDIS_REPLY_ARRAY && page->elements == 2);
    snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
    count += (int)page->element[1]->elements;
  } while (strcmp(cursor, "0") != 0);
  check("the keys of scan", count == atoi(argv[4]));
  printf("as expected\n");
  return 0;
}
