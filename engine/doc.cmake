# doc: see base/doc.h
