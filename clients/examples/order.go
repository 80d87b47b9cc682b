// Buys one unit of item 1 over HTTP: go run order.go USER [HOST:PORT]
// Exit: 0 confirmed, 8 rejected, 1 refused (the code is shown), 5 no final answer.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	key, host := make([]byte, 16), append(os.Args, "127.0.0.1:8080")[2]
	if _, err := rand.Read(key); err != nil {
		panic(err) // an id that is not new would be another order's
	}
	id, client, status := fmt.Sprintf("%x", key), http.Client{Timeout: 10 * time.Second}, 0
	order, _ := json.Marshal(map[string]any{"item": 1, "user": os.Args[1], "id": id})
	said := []byte("no answer; id " + id)
	for try := 0; try < 20; try++ { // silence, 202, 429 and 5xx say nothing: the same id again,
		request, _ := http.NewRequest("POST", "http://"+host+"/v1/orders", bytes.NewReader(order))
		request.Header = http.Header{"Content-Type": {"application/json"}, "Prefer": {"wait=5"}}
		if reply, err := client.Do(request); err == nil { // which never buys twice
			body, cut := io.ReadAll(reply.Body)
			reply.Body.Close()
			status, said = reply.StatusCode, body
			if cut == nil && (status <= 201 || refused(status)) {
				break
			}
		}
		time.Sleep(time.Second / 2)
	}
	fmt.Println(string(said))
	if status == 200 || status == 201 {
		os.Exit(0)
	}
	if bytes.Contains(said, []byte(`"state":"rejected"`)) { // other refusals decide nothing
		os.Exit(8)
	}
	os.Exit(map[bool]int{true: 1, false: 5}[refused(status)])
}

func refused(status int) bool { return status/100 == 4 && status != 429 }
