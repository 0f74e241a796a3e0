# Reads a cluster with redis-rb, plain and as a cluster client: FILE MASTER_PORT DATANODE_PORT...
# Prints "as expected", or what is not.

require 'json'
require 'redis'

expected = JSON.parse(File.read(ARGV[0]))
master, *nodes = ARGV.drop(1).map(&:to_i)
tagged = ['{tag}1', '{tag}2', '{tag}none']

def check(what, condition)
  abort "#{what} is not as expected" unless condition
end

def read(name, client, expected, tagged)
  some = expected.keys.first(200)
  check "#{name} get", some.all? { |key| client.get(key) == expected[key] }
  check "#{name} mget", client.mget(*tagged) == tagged.map { |key| expected[key] }
  check "#{name} scan", client.scan_each(count: 100).to_a.sort == expected.keys.sort
  check "#{name} dbsize", client.dbsize == expected.length
  begin
    client.set('a', 'b')
    check "#{name} set", false
  rescue Redis::CommandError => e
    check "#{name} set", e.message.include?('immutable')
  end
end

plain = Redis.new(port: master)
read('plain', plain, expected, tagged)
check 'multi', plain.multi { |multi| tagged.each { |key| multi.get(key) } } == tagged.map { |key| expected[key] }
check 'watch', plain.watch('a') { plain.multi { |multi| multi.get('{tag}1') } } == [expected['{tag}1']]
cluster = Redis.new(cluster: nodes.map { |port| "redis://127.0.0.1:#{port}" })
read('cluster', cluster, expected, tagged)
with_replicas = Redis.new(cluster: nodes.map { |port| "redis://127.0.0.1:#{port}" }, replica: true)
check 'replicas get', expected.keys.first(200).all? { |key| with_replicas.get(key) == expected[key] }
puts 'as expected'
