# Reads a cluster with the Redis module of CPAN: FILE MASTER_PORT DATANODE_PORT...
# Prints "as expected", or what is not.

use strict;
use warnings;
use JSON::PP;
use Redis;

my ($file, $master, @nodes) = @ARGV;
open my $in, '<', $file or die $!;
my $expected = decode_json(do { local $/; <$in> });
my @tagged = ('{tag}1', '{tag}2', '{tag}none');

sub check {
    my ($what, $condition) = @_;
    return if $condition;
    print "$what is not as expected\n";
    exit 1;
}

sub same {
    my ($one, $other) = @_;
    return join("\0", map { $_ // '(undef)' } @$one) eq join("\0", map { $_ // '(undef)' } @$other);
}

sub scan {
    my ($client) = @_;
    my ($cursor, @found) = (0);
    do {
        ($cursor, my $page) = $client->scan($cursor, COUNT => 100);
        push @found, @$page;
    } while ($cursor ne '0');
    return @found;
}

my $plain = Redis->new(server => "127.0.0.1:$master");
my @keys = sort keys %$expected;
check('get', $plain->get($_) eq $expected->{$_}) for @keys[0 .. 199];
check('mget', same([$plain->mget(@tagged)], [map { $expected->{$_} } @tagged]));
$plain->multi;
$plain->get($_) for @tagged;
check('multi', same([$plain->exec], [map { $expected->{$_} } @tagged]));
check('scan', same([sort(scan($plain))], \@keys));
check('dbsize', $plain->dbsize == @keys);
check('set', !eval { $plain->set('a', 'b'); 1 } && $@ =~ /immutable/);
my @of_nodes = map { scan(Redis->new(server => "127.0.0.1:$_")) } @nodes;
check('scan of the datanodes', same([sort @of_nodes], \@keys));
print "as expected\n";
