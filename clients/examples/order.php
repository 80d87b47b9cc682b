#!/usr/bin/php
<?php // Buys one unit of item 1 over HTTP: order.php USER [HOST:PORT]
// Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
$url = "http://" . ($argv[2] ?? "127.0.0.1:8080") . "/v1/orders";
$head = "Idempotency-Key: " . bin2hex(random_bytes(16)) . "\r\nContent-Type: application/json\r\nPrefer: wait=5";
$http = ["method" => "POST", "header" => $head, "content" => json_encode(["item" => 1, "user" => $argv[1]]),
         "ignore_errors" => true, "timeout" => 10];
for ($try = 0, $status = 0, $said = "no answer; $head"; $try < 20; ++$try) { // silence, 202, 429, 5xx say nothing:
    $reply = @file_get_contents($url, false, stream_context_create(["http" => $http])); // ask again with the same
    if ($reply !== false) [$status, $said] = [(int) substr($http_response_header[0], 9, 3), $reply]; // id, which
    if ($status == 200 || $status == 201 || ($status >= 400 && $status < 500 && $status != 429)) break; // never buys twice
    usleep(500000);
}
echo $said, "\n";
if (str_contains($said, '"state":"rejected"')) exit(8); // other refusals decide nothing
exit([200 => 0, 201 => 0][$status] ?? ($status >= 400 && $status < 500 && $status != 429 ? 1 : 5));
