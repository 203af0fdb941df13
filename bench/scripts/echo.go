// Echo on Go's net: a goroutine each.
package main

import (
	"fmt"
	"net"
	"os"
)

func echo(stream net.Conn) {
	defer stream.Close()
	buffer := make([]byte, 16*1024)
	for {
		n, err := stream.Read(buffer)
		if err != nil {
			return
		}
		if _, err := stream.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp4", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", listener.Addr())
	for {
		if stream, err := listener.Accept(); err == nil {
			go echo(stream)
		}
	}
}
