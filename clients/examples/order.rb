#!/usr/bin/ruby
# Buys one unit of item 1 over HTTP: order.rb USER [HOST:PORT]
# Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
require "json"
require "net/http"
require "securerandom"
uri = URI("http://#{ARGV[1] || '127.0.0.1:8080'}/v1/orders")
head = { "Idempotency-Key" => SecureRandom.hex(16), "Content-Type" => "application/json", "Prefer" => "wait=5" }
body, status, said = JSON.generate(item: 1, user: ARGV[0]), 0, "no answer; id #{head['Idempotency-Key']}"
20.times do # silence, 202, 429 and 5xx say nothing: ask again with the same id, which never buys twice
  reply = Net::HTTP.post(uri, body, head) rescue nil
  status, said = reply.code.to_i, reply.body if reply
  final = [200, 201].include?(status) || ((400..499).include?(status) && status != 429)
  final ? break : sleep(0.5)
end
puts said
$stdout.flush rescue abort("the answer could not be printed")
exit 8 if said.include?('"state":"rejected"') # other refusals decide nothing
exit({ 200 => 0, 201 => 0 }.fetch(status) { (400..499).include?(status) && status != 429 ? 1 : 5 })
