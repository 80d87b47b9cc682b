#!/usr/bin/perl
# Buys one unit of item 1 over HTTP: order.pl USER [HOST:PORT]
# Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
use strict; use warnings; use HTTP::Tiny; use JSON::PP;
open my $random, '<:raw', '/dev/urandom' or die $!; read $random, my $bytes, 16;
my $url = 'http://' . ($ARGV[1] // '127.0.0.1:8080') . '/v1/orders';
my %head = ('Idempotency-Key' => unpack('H*', $bytes), 'Content-Type' => 'application/json', Prefer => 'wait=5');
my $user = $ARGV[0]; utf8::decode($user);
my ($http, $reply) = (HTTP::Tiny->new(timeout => 10, keep_alive => 0));
for (1 .. 20) {    # silence, 202, 429 and 5xx say nothing: ask again with the same id, which never buys twice
    $reply = $http->post($url, { headers => \%head, content => encode_json({ item => 1, user => $user }) });
    last if $reply->{status} =~ /^(200|201|4..)$/ && $reply->{status} != 429;
    select undef, undef, undef, 0.5;
}
print "$reply->{content}\n";
my $rejected = $reply->{content} =~ /"state":"rejected"/;    # other refusals decide nothing
exit($reply->{status} =~ /^20[01]$/ ? 0 : $rejected ? 8 : $reply->{status} =~ /^4(?!29)/ ? 1 : 5);
