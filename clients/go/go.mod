module specserve

go 1.19
