// Go's net/http: http ADDR hello | tls PEM | files FOLDER | proxy HOST:PORT, on one worker.
package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte("Hello, world!"))
}

func main() {
	server := &http.Server{Addr: os.Args[1], Handler: http.HandlerFunc(hello)}
	switch os.Args[2] {
	case "files":
		server.Handler = http.FileServer(http.Dir(os.Args[3]))
	case "proxy":
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: os.Args[3]})
		proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
		server.Handler = proxy
	case "tls":
		server.TLSConfig = &tls.Config{NextProtos: []string{"http/1.1"}}
		log.Fatal(server.ListenAndServeTLS(os.Args[3], os.Args[3]))
	}
	log.Fatal(server.ListenAndServe())
}
