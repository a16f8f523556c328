// Package e2e tests netchan as users run it: clusters of processes, each a node of its own, on
// addresses of their own, while the network between them goes away and they are paused, killed
// and started again. With -docker they are containers and their network is the Engine's; without
// it processes on 127.0.0.0/8 and a proxy that hurts their connections.
//
//	go test ./test/e2e                     a short selection, as processes; -all: more of them
//	go test -v ./test/e2e -docker          all cases, in containers
//	go test -v ./test/e2e -docker -run TestCluster/partition
//
// Every node writes down what it sends, takes and is told (package script); package history
// judges all their logs together, by the time of the machine's clock.
package e2e
