# Starts as many threads as it gets.
import threading

while True:
    threading.Thread(target=threading.Event().wait).start()
